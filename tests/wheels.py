"""Wheels made by zipfile, and a Python index on this machine that serves them."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "carryover-test-weights"
MEMBER = "carryover_test_weights/weights.gguf"


def make_wheel(directory: Path, version: str = "1.0", files: dict[str, bytes] | None = None) -> Path:
    """A wheel of the package with these files, which requires another that nobody has."""
    info = f"carryover_test_weights-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\nRequires-Dist: carryover-nobody-has-this\n"
    members = {
        **({MEMBER: b"weights"} if files is None else files),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = directory / f"carryover_test_weights-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in members))
    return path


class Handler(BaseHTTPRequestHandler):
    """A simple index of `server.directory`; asks for a login where `server.login` says which header is right."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.login and self.headers.get("Authorization") != self.server.login:
            return self.reply(403, b"")
        wheels = {path.name: path for path in self.server.directory.glob("*.whl")}
        if self.path.rstrip("/") == f"/simple/{NAME}":
            return self.reply(200, "".join(f'<a href="/files/{name}">{name}</a>' for name in wheels).encode())
        name = self.path.rsplit("/", 1)[-1]
        return self.reply(200, wheels[name].read_bytes()) if name in wheels else self.reply(404, b"")

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def index(directory: Path) -> Iterator[ThreadingHTTPServer]:
    """A running index, its `url` that of pip's option."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.directory, server.login, server.asked = directory, None, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
