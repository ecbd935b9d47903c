"""A model of a hub on this machine: sharded and whole, held to the hub's checksums; and what is said where it cannot be had."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from carryover.data import hub
from carryover.data.hub import fetch_model
from carryover.runtime.errors import BadInput

REPOSITORY, REVISION = "someone/model", "0123456789abcdef0123456789abcdef01234567"
TENSORS = {name: np.full((3, 2), value, np.float32) for value, name in enumerate(["a.weight", "b.weight", "c.weight"])}
PARTS = {"model-00001-of-00002.safetensors": ["a.weight", "b.weight"], "model-00002-of-00002.safetensors": ["c.weight"]}


class Handler(BaseHTTPRequestHandler):
    """What huggingface_hub asks of a hub: the list of a model's files with their checksums, and the files."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server, path = self.server, self.path.partition("?")[0]
        if path == f"/api/models/{REPOSITORY}/revision/{REVISION}":
            return self.reply(200, json.dumps(self.listed()).encode(), {"Content-Type": "application/json"})
        if path.startswith("/api/"):
            code = "RevisionNotFound" if path.startswith(f"/api/models/{REPOSITORY}/") else "RepoNotFound"
            return self.reply(404, b"", {"X-Error-Code": code})
        if server.gated and self.headers.get("Authorization") != "Bearer hf_right":
            return self.reply(401 if "Authorization" not in self.headers else 403, b"", {"X-Error-Code": "GatedRepo"})
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{REVISION}/")
        if name not in server.files:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = server.served.get(name, server.files[name])
        tag = hashlib.sha256(content).hexdigest()
        return self.reply(
            200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": REVISION, "Content-Type": "application/octet-stream"}
        )

    def listed(self) -> dict:
        files = []
        for name, content in self.server.files.items():
            entry = {"rfilename": name, "size": len(content)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if name.endswith(".safetensors"):
                entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            files.append(entry)
        return {
            "id": REPOSITORY,
            "sha": REVISION,
            "gated": False,
            "private": False,
            "tags": [],
            "downloads": 0,
            "siblings": files,
        }

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub with one model, whose weights lie in two files."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (tmp_path / "parts").mkdir()
    for name, tensors in PARTS.items():
        save_file({tensor: TENSORS[tensor] for tensor in tensors}, tmp_path / "parts" / name)
    running.files = {name: (tmp_path / "parts" / name).read_bytes() for name in PARTS}
    index = {"metadata": {}, "weight_map": {tensor: name for name, tensors in PARTS.items() for tensor in tensors}}
    running.files |= {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": b'{"model_type": "llama", "eos_token_id": 2}',
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"eos_token": "</s>"}',
        "chat_template.jinja": b"{{ messages }}",
        "pytorch_model.bin": b"a pickle",
        "README.md": b"about",
    }
    running.served, running.gated = {}, False
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_address[1]}")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_sharded_model_becomes_one_directory(server, tmp_path):
    sums = fetch_model(REPOSITORY, REVISION, tmp_path / "model")
    whole = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in (tmp_path / "model").iterdir()} == whole
    found = load_file(tmp_path / "model/model.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {name: one.tolist() for name, one in TENSORS.items()}
    assert json.loads((tmp_path / "model/tokenizer_config.json").read_text())["chat_template"] == "{{ messages }}"
    assert json.loads((tmp_path / "model/generation_config.json").read_text()) == {"eos_token_id": 2}
    assert set(sums) == set(server.files) - {"pytorch_model.bin", "README.md"}


def test_a_model_in_one_file(server, tmp_path):
    server.files = {name: content for name, content in server.files.items() if "model-0" not in name and "index" not in name}
    save_file(TENSORS, tmp_path / "one.safetensors")
    server.files["model.safetensors"] = (tmp_path / "one.safetensors").read_bytes()
    fetch_model(REPOSITORY, REVISION, tmp_path / "model")
    assert (tmp_path / "model/model.safetensors").read_bytes() == server.files["model.safetensors"]


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "config.json"])
def test_a_file_that_is_not_the_listed_one_is_refused(server, tmp_path, name):
    content = bytearray(server.files[name])
    content[-1] ^= 1
    server.served[name] = bytes(content)
    with pytest.raises(BadInput, match=rf"{name}: its checksum is \w+, the hub lists \w+"):
        fetch_model(REPOSITORY, REVISION, tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


def test_a_gated_model_says_what_to_do_and_opens_with_its_token(server, tmp_path, monkeypatch):
    server.gated = True
    for token in (None, "hf_wrong"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(BadInput, match="someone/model is gated: accept its licence on its page and set HF_TOKEN") as problem:
            fetch_model(REPOSITORY, REVISION, tmp_path / "model")
        assert "\n" not in str(problem.value)
        assert "is gated" in hub.before_start([{"repo": REPOSITORY, "revision": REVISION}])
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    fetch_model(REPOSITORY, REVISION, tmp_path / "model")
    assert hub.before_start([{"repo": REPOSITORY, "revision": REVISION}]) is None


@pytest.mark.parametrize(
    ("repository", "revision", "told"),
    [
        ("someone/else", REVISION, "the hub has no model someone/else"),
        (REPOSITORY, "f" * 40, "someone/model has no revision ffff"),
    ],
)
def test_what_the_hub_has_not_got(server, tmp_path, repository, revision, told):
    with pytest.raises(BadInput, match=told):
        fetch_model(repository, revision, tmp_path / "model")


def test_pickled_weights_are_never_taken(server, tmp_path):
    server.files = {name: content for name, content in server.files.items() if "safetensors" not in name}
    with pytest.raises(BadInput, match="no safetensors; pickled weights are never loaded"):
        fetch_model(REPOSITORY, REVISION, tmp_path / "model")


def test_no_hub_in_reach(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match=r"no hub in reach .* HF_ENDPOINT"):
        fetch_model(REPOSITORY, REVISION, tmp_path / "model")


def test_what_is_missing_of_a_directory_is_named(tmp_path):
    from carryover.data import model_files

    index = tmp_path / model_files.INDEX
    index.write_text(json.dumps({"weight_map": {"a.weight": "part.safetensors", "z.weight": "part.safetensors"}}))
    with pytest.raises(BadInput, match=r"lists part\.safetensors, which is not there"):
        model_files.join(index, {}, tmp_path / "model.safetensors")
    save_file({"a.weight": TENSORS["a.weight"]}, tmp_path / "part.safetensors")
    with pytest.raises(BadInput, match=r"lists z\.weight, which no file has"):
        model_files.join(index, {"part.safetensors": tmp_path / "part.safetensors"}, tmp_path / "model.safetensors")
    index.write_text(json.dumps({"weight_map": {"a.weight": "../../part.safetensors"}}))
    with pytest.raises(BadInput, match="is no name of a safetensors file beside it"):
        model_files.in_directory(Path(tmp_path))
