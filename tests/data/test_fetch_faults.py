"""Servers that send too little or slowly, and disks that fill up under a download."""

import shutil
import subprocess
import time
from http.server import BaseHTTPRequestHandler

import pytest
import yaml
from test_fetch import CONTENT, SHA, Handler, get, no_mirror, nothing_is_there, server

from carryover.data import fetch as module
from carryover.runtime.errors import BadInput

__all__ = ["get", "no_mirror", "server"]


@pytest.fixture
def serve(server):
    """Replaces what the server answers to a download."""

    def call(answer) -> None:
        server.RequestHandlerClass = type("Odd", (Handler,), {"do_GET": answer})

    return call


def head(handler: BaseHTTPRequestHandler, length: int | None) -> None:
    handler.server.requests.append((handler.path, dict(handler.headers)))
    handler.send_response(200)
    handler.send_header("Connection", "close")
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.close_connection = True


@pytest.mark.parametrize("announced", [True, False], ids=["and says so", "without a length"])
def test_a_server_that_sends_too_little_is_found_out_by_the_checksum(server, serve, get, announced):
    def answer(handler):
        head(handler, 100_000 if announced else None)
        handler.wfile.write(CONTENT[:100_000])

    serve(answer)
    with pytest.raises(BadInput, match=rf"sha256 is [0-9a-f]{{64}}, expected {SHA}; the download is damaged"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)


def test_a_server_that_sends_too_much_is_found_out_by_the_checksum(server, serve, get):
    def answer(handler):
        head(handler, len(CONTENT) + 9)
        handler.wfile.write(CONTENT + b"more of it")

    serve(answer)
    with pytest.raises(BadInput, match="sha256"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)


def test_a_slow_server_is_waited_for_as_long_as_something_comes(server, serve, get, monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.5)

    def answer(handler):
        head(handler, len(CONTENT))
        for start in range(0, len(CONTENT), 400_000):
            handler.wfile.write(CONTENT[start : start + 400_000])
            handler.wfile.flush()
            time.sleep(0.1)  # 0.8 s in all, longer than the limit on silence

    serve(answer)
    assert get(f"{server.url}/file.zip") == SHA
    assert len(server.requests) == 1


def test_a_server_that_stalls_is_asked_again_for_the_rest(server, serve, get, monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    plain = Handler.do_GET

    def answer(handler):
        if handler.server.requests:
            return plain(handler)
        head(handler, len(CONTENT))
        handler.wfile.write(CONTENT[:1_000_000])
        handler.wfile.flush()
        return time.sleep(0.6)

    serve(answer)
    assert get(f"{server.url}/file.zip") == SHA
    assert get.target.read_bytes() == CONTENT
    assert server.requests[1][1]["Range"].startswith("bytes=")


def test_an_error_page_is_not_recorded_as_the_first_one_seen_over_a_known_checksum(server, get):
    """A checksum recorded before holds: a page that says 200 does not take its place."""
    get(f"{server.url}/file.zip", [], first_use=True)
    server.manner = "error page"
    with pytest.raises(BadInput, match=f"expected {SHA}"):
        get(f"{server.url}/file.zip", [], first_use=True)
    assert get.target.read_bytes() == CONTENT and yaml.safe_load(get.lock.read_text()) == {"sub/file.zip": SHA}


def test_a_disk_that_fills_up_keeps_what_came_and_goes_on_when_there_is_room(server, get, tmp_path):
    place = get.target.parent
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        with pytest.raises(BadInput, match=r"cannot write .*file\.zip\.part: No space left on device"):
            get(f"{server.url}/file.zip")
        assert not get.target.exists() and CONTENT.startswith(get.partial.read_bytes())
        subprocess.run(["mount", "-o", "remount,size=8m", str(place)], check=True)
        assert get(f"{server.url}/file.zip") == SHA
        assert int(server.requests[-1][1]["Range"].removeprefix("bytes=").removesuffix("-")) > 500_000
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
