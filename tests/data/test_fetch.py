"""Files from a server, a path and a mirror: whole, verified, resumed; and what is left where one is not."""

import gzip
import hashlib
import random
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from carryover.data import fetch as module
from carryover.data.fetch import fetch, locate, unreachable
from carryover.runtime.errors import BadInput

CONTENT = random.Random(0).randbytes((3 << 20) + 12_345)
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content` in the way that `server.manner` says, and notes each request."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.reply(200, 0)

    def do_GET(self):
        server, manner = self.server, self.server.manner
        server.requests.append((self.path, dict(self.headers)))
        if manner == "missing":
            return self.reply(404, 0)
        if manner == "redirect":
            return self.reply(302, 0, location=self.path)
        if manner == "error page":
            page = b"<html>please log in</html>"
            self.reply(200, len(page))
            return self.wfile.write(page)
        body, encoding = server.content, None
        if manner == "gzip" and "gzip" in self.headers.get("Accept-Encoding", ""):
            body, encoding = gzip.compress(server.content, mtime=0), "gzip"
        first = 0
        if (asked := self.headers.get("Range")) and manner != "no ranges":
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            if first >= len(body):
                return self.reply(416, 0)
        self.reply(206 if first else 200, len(body) - first, encoding)
        cut = server.cuts.pop(0) if server.cuts else None
        cut = int(cut * len(body)) if isinstance(cut, float) else cut
        self.wfile.write(body[first:cut] if cut else body[first:])
        if cut:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def reply(self, status, length, encoding=None, location=None):
        self.send_response(status)
        for name, value in (("Content-Length", str(length)), ("Content-Encoding", encoding), ("Location", location)):
            if value:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server on this machine; `cuts` lists where it breaks off, request by request: a place, or a share of the body."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.handle_error = lambda *_: None  # a client that has seen enough hangs up
    running.content, running.manner, running.cuts, running.requests = CONTENT, "ranges", [], []
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv(module.MIRROR, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def get(tmp_path):
    """Fetches to `downloads/sub/file.zip`; the lock file is `config.lock.yaml`."""

    def call(url, accepted=(SHA,), first_use=False, relative="sub/file.zip", mirrored=True):
        target = tmp_path / "downloads" / relative
        return fetch(relative, str(url), accepted, first_use, tmp_path / "config.lock.yaml", target, mirrored)

    call.target = tmp_path / "downloads" / "sub" / "file.zip"
    call.partial = call.target.with_name("file.zip.part")
    call.lock = tmp_path / "config.lock.yaml"
    return call


def nothing_is_there(get) -> bool:
    return not get.target.exists() and not get.partial.exists()


def test_a_whole_download(server, get):
    assert get(f"{server.url}/file.zip") == SHA
    assert get.target.read_bytes() == CONTENT
    assert not get.partial.exists() and not get.lock.exists()  # the config knows its checksum


@pytest.mark.parametrize("manner", ["ranges", "no ranges"])
@pytest.mark.parametrize("cuts", [(2 << 20, 3 << 20), (200_000, 300_000)], ids=["late", "early"])
def test_a_connection_that_breaks_off_is_taken_up_again(server, get, manner, cuts):
    server.manner, server.cuts = manner, list(cuts)
    assert get(f"{server.url}/file.zip") == SHA
    assert get.target.read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert "Range" not in server.requests[0][1]
    assert all(headers["Range"].startswith("bytes=") for _, headers in server.requests[1:])


@pytest.mark.parametrize("manner", ["ranges", "no ranges"])
def test_what_an_earlier_run_left_is_taken_up_again(server, get, manner):
    get.partial.parent.mkdir(parents=True)
    get.partial.write_bytes(CONTENT[:100_000])
    server.manner = manner
    assert get(f"{server.url}/file.zip") == SHA
    assert get.target.read_bytes() == CONTENT
    assert server.requests[0][1]["Range"] == "bytes=100000-"


def test_what_an_earlier_run_had_whole_is_not_fetched_again(server, get):
    get.partial.parent.mkdir(parents=True)
    get.partial.write_bytes(CONTENT)
    assert get(f"{server.url}/file.zip") == SHA
    assert get.target.read_bytes() == CONTENT


def test_remains_of_another_file_do_not_become_the_file(server, get):
    get.partial.parent.mkdir(parents=True)
    get.partial.write_bytes(b"x" * 100_000)
    with pytest.raises(BadInput, match="sha256"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)
    assert get(f"{server.url}/file.zip") == SHA  # the next run begins anew


def test_a_server_that_always_breaks_off_leaves_what_came_for_the_next_run(server, get, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1 << 14)
    server.cuts = [100_000 * (k + 1) for k in range(module.ATTEMPTS)]
    with pytest.raises(BadInput, match="run again to go on"):
        get(f"{server.url}/file.zip")
    assert not get.target.exists()
    assert get.partial.stat().st_size > 400_000 and CONTENT.startswith(get.partial.read_bytes())
    assert get(f"{server.url}/file.zip") == SHA


TEXT = " ".join(random.Random(1).choices(["river", "bridge", "house", "garden"], k=200_000)).encode()


@pytest.mark.parametrize(("content", "cuts"), [(TEXT, []), (TEXT, [0.5]), (CONTENT, []), (CONTENT, [0.5]), (b"ab", [])])
def test_a_server_that_likes_to_compress_sends_the_same_file(server, get, monkeypatch, content, cuts):
    """A length and a range count bytes on the wire; what is checked and taken up again are the file's own."""
    monkeypatch.setattr(module, "CHUNK", 1 << 14)
    server.manner, server.content, server.cuts = "gzip", content, list(cuts)
    assert get(f"{server.url}/file.zip", [hashlib.sha256(content).hexdigest()])
    assert get.target.read_bytes() == content


def test_redirections_without_end_are_the_server_s_fault(server, get):
    server.manner = "redirect"
    with pytest.raises(BadInput, match=rf"cannot fetch {server.url}/file\.zip"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)


def test_a_missing_file_names_url_and_status(server, get):
    server.manner = "missing"
    with pytest.raises(BadInput, match=rf"{server.url}/file\.zip: 404.*{module.MIRROR}"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)


def test_an_error_page_that_says_200_is_found_out_by_its_checksum(server, get):
    server.manner = "error page"
    with pytest.raises(BadInput, match=rf"sha256 is [0-9a-f]{{64}}, expected {SHA}"):
        get(f"{server.url}/file.zip")
    assert nothing_is_there(get)


def test_a_wrong_checksum_leaves_nothing_and_no_old_file_is_harmed(server, get):
    get.target.parent.mkdir(parents=True)
    get.target.write_bytes(b"old")
    with pytest.raises(BadInput, match="sha256"):
        get(f"{server.url}/file.zip", ["0" * 64])
    assert get.target.read_bytes() == b"old" and not get.partial.exists()


def test_a_server_that_is_not_there_fails_at_once_and_names_the_mirror(get, monkeypatch):
    with socket.socket() as held:  # bound, not listening: nobody answers, and nobody else takes the port
        held.bind(("127.0.0.1", 0))
        tried = []
        real = module.requests.get
        monkeypatch.setattr(module.requests, "get", lambda *a, **k: tried.append(a) or real(*a, **k))
        with pytest.raises(BadInput, match=rf"cannot reach http://127\.0\.0\.1:\d+/file\.zip.*{module.MIRROR}") as caught:
            get(f"http://127.0.0.1:{held.getsockname()[1]}/file.zip")
    assert len(tried) == 1
    assert "\n" not in str(caught.value)
    assert nothing_is_there(get)


# ------------------------------------------------------------------------------------------ paths and mirrors


@pytest.fixture
def local(tmp_path):
    """A mirror on disk, in a folder whose name needs quoting in a URL."""
    directory = tmp_path / "my mirror"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "file.zip").write_bytes(CONTENT)
    return directory


def test_a_file_url_and_a_path(get, local):
    path = local / "sub" / "file.zip"
    for source in (path.as_uri(), path):
        assert get(source) == SHA
        assert get.target.read_bytes() == CONTENT
        get.target.unlink()
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["directory", "file URL", "URL", "URL/"])
def test_a_mirror_stands_in_for_the_url(server, get, local, monkeypatch, form):
    mirror = {"directory": str(local), "file URL": local.as_uri(), "URL": f"{server.url}/base", "URL/": f"{server.url}/base/"}[
        form
    ]
    monkeypatch.setenv(module.MIRROR, mirror)
    assert get("https://unreachable.invalid/elsewhere/other.zip") == SHA
    assert get.target.read_bytes() == CONTENT
    if form.startswith("URL"):
        assert [path for path, _ in server.requests] == ["/base/sub/file.zip"]


def test_a_mirror_does_not_change_which_file_is_accepted(get, local, monkeypatch):
    monkeypatch.setenv(module.MIRROR, str(local))
    (local / "sub" / "file.zip").write_bytes(b"another version")
    with pytest.raises(BadInput, match=f"expected {SHA}"):
        get("https://unreachable.invalid/file.zip")
    assert nothing_is_there(get)


def test_a_file_that_a_mirror_does_not_have_is_not_fetched_elsewhere(server, get, tmp_path, monkeypatch):
    monkeypatch.setenv(module.MIRROR, str(tmp_path / "empty"))
    with pytest.raises(BadInput, match=rf"cannot find .*empty.sub.file\.zip.*{module.MIRROR}"):
        get(f"{server.url}/file.zip")
    assert server.requests == []


def test_a_file_that_was_built_here_comes_from_no_mirror(get, local, tmp_path, monkeypatch):
    monkeypatch.setenv(module.MIRROR, str(tmp_path / "empty"))
    assert get(local / "sub" / "file.zip", mirrored=False) == SHA


def test_where_a_file_is_looked_for():
    assert locate("a/b", "https://x/y", None) == locate("a/b", "https://x/y", "") == "https://x/y"
    assert locate("a/b", "https://x/y", "http://mirror:80/m/") == "http://mirror:80/m/a/b"
    assert locate("a/b", "https://x/y", "/data/m") == "/data/m/a/b"
    assert locate("a/b", "https://x/y", "file:///data/my%20m") == "/data/my m/a/b"


def test_what_cannot_be_reached_is_told_before_anything_runs(server, local, tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{held.getsockname()[1]}"
        there = [f"{server.url}/a", str(local / "sub" / "file.zip"), (local / "sub" / "file.zip").as_uri()]
        gone = str(tmp_path / "gone.zip")
        assert unreachable(there) == []
        told = unreachable([*there, f"{dead}/a", f"{dead}/b", gone])
    assert sorted(told) == sorted([dead, gone])


# ------------------------------------------------------------------------------------------ checksums


def test_the_first_one_seen_is_recorded_and_held_to(server, get):
    get.lock.write_text(yaml.safe_dump({"other.zip": "1" * 64}))
    assert get(f"{server.url}/file.zip", [], first_use=True) == SHA
    assert yaml.safe_load(get.lock.read_text()) == {"other.zip": "1" * 64, "sub/file.zip": SHA}
    assert get(f"{server.url}/file.zip", [], first_use=True) == SHA
    server.content = b"the publisher changed it"
    get.target.unlink()
    with pytest.raises(BadInput, match=f"expected {SHA}"):
        get(f"{server.url}/file.zip", [], first_use=True)
    assert nothing_is_there(get)
    assert yaml.safe_load(get.lock.read_text())["sub/file.zip"] == SHA
    assert not list(get.lock.parent.glob("*lock.yaml.*"))  # what held it while it was written is gone


def test_an_accepted_file_is_not_the_first_one_seen(server, get):
    """A mirror's shorter file is accepted by the config, and leaves the record to the published one."""
    assert get(f"{server.url}/file.zip", ["2" * 64, SHA], first_use=True) == SHA
    assert not get.lock.exists()
    get.lock.write_text(yaml.safe_dump({"sub/file.zip": "1" * 64}))
    assert get(f"{server.url}/file.zip", [SHA], first_use=True) == SHA


def test_a_checksum_that_nobody_knows_is_refused(server, get):
    with pytest.raises(BadInput, match=f"sha256 is {SHA}") as caught:
        get(f"{server.url}/file.zip", [], first_use=False)
    assert "expected ;" not in str(caught.value)  # nothing is expected: it says so
    assert nothing_is_there(get) and not get.lock.exists()


# ------------------------------------------------------------------------------------------ where it cannot be written


def test_a_partial_file_that_cannot_be_written_is_one_line(server, get):
    get.partial.mkdir(parents=True)
    with pytest.raises(BadInput, match=r"cannot write .*file\.zip\.part"):
        get(f"{server.url}/file.zip")
    assert not get.target.exists()


def test_a_disk_that_fills_up_is_one_line(server, get, local, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(BadInput, match="No space left on device"):
        get(local / "sub" / "file.zip")
    monkeypatch.setattr(module, "_receive", full)
    with pytest.raises(BadInput, match="No space left on device"):
        get(f"{server.url}/file.zip")
    assert not get.target.exists()


@pytest.mark.parametrize("what", ["folder", "target"])
def test_a_place_that_cannot_be_written_is_one_line(get, local, what):
    if what == "folder":
        get.target.parent.parent.mkdir()
        get.target.parent.write_text("a file where the folder should be")
    else:
        get.target.mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot write"):
        get(local / "sub" / "file.zip")
