"""What comes from outside can be hostile: archives, weights, servers, names and texts in the config."""

import ast
import io
import os
import pickle
import shutil
import ssl
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
import yaml

from carryover.data import xnli
from carryover.data.fetch import fetch
from carryover.models.gpt2 import GPT2Model
from carryover.planning.config import resolve
from carryover.planning.keys import canonical
from carryover.planning.schema import load_schema
from carryover.runtime import files
from carryover.runtime.errors import BadInput
from carryover.tasks.nli import LABELS
from carryover.training.checkpoints import Checkpoints
from study_runner import PROJECT, job_arguments

HEADER = "premise\thypo\tlabel\n"
ROWS = "".join(f"Premise {n} .\tHypothesis {n} .\tneutral\n" for n in range(5))
MEMBER = "XNLI-MT-1.0/multinli/multinli.train.en.tsv"


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


# ------------------------------------------------------------------------------------------ archives


def test_an_archive_writes_nothing_but_what_the_job_declares(tmp_path):
    """Zip slip: members with names that lead out of any folder, one of them the very member that is read."""
    (tmp_path / "work").mkdir()
    with zipfile.ZipFile(tmp_path / "work/archive.zip", "w") as archive:
        for name in ("../evil.tsv", "/tmp/evil-of-carryover.tsv", "..\\evil.tsv", "a/../../../evil.tsv", f"../../{MEMBER}"):
            archive.writestr(name, HEADER + ROWS)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    options = {"expected_rows": {"train": 5}, "unsegment": False, "detokenize": False, "subset": 1.0, "subset_seed": None}
    config = {"parts": {"tasks": "nli"}, "language": "en", "unsegmented": False, "options": options}
    command = [sys.executable, str(PROJECT / "workflow/scripts/corpus.py"), "--key", canonical({"config": config})]
    command += job_arguments({"sources": "archive.zip"}, {"tables": "out/en.train.parquet", "counts": "out/counts.json"})
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1"}
    ran = subprocess.run(command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file() and path not in before}
    assert written == {"work/out/en.train.parquet", "work/out/counts.json"}
    assert not Path("/tmp/evil-of-carryover.tsv").exists()


def declaring(path: Path, size: int) -> Path:
    """An archive whose one member is said to unpack to `size` bytes, in its own head and in the directory."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, HEADER + ROWS)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 22, size)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    path.write_bytes(content)
    return path


def test_a_member_is_not_unpacked_past_its_declared_size(tmp_path):
    archive = declaring(tmp_path / "lies.zip", 100)
    with pytest.raises(BadInput, match=r"lies\.zip: .*multinli\.train\.en\.tsv is corrupt after line \d"):
        xnli.read_split(archive, "train", "en", LABELS)


def test_a_member_that_declares_too_much_is_not_unpacked_at_all(tmp_path):
    archive = declaring(tmp_path / "bomb.zip", 0xF0000000)
    with pytest.raises(BadInput, match=r"bomb\.zip: .*unpacks to 4026531840 bytes, more than 536870912: not a file of rows"):
        xnli.read_split(archive, "train", "en", LABELS)


# ------------------------------------------------------------------------------------------ models and checkpoints


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_pickled_weights_are_never_loaded(tmp_path, make_model, name):
    make_model().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / name).write_bytes(pickle.dumps({"wte.weight": Trap(tmp_path / "sprung")}))
    with pytest.raises(BadInput, match=r"pickled weights are never loaded|not a readable safetensors file"):
        GPT2Model.from_pretrained(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_runs_no_code(tmp_path):
    """Checkpoints are torch's format, read as tensors and plain values alone."""
    kept = Checkpoints(tmp_path)
    kept.save(1, {"update": 1, "model": {"w": torch.ones(2)}})
    torch.save({"update": 2, "model": Trap(tmp_path / "sprung")}, trap := io.BytesIO())
    digest = files.hashlib.sha256(trap.getvalue()).digest()
    (tmp_path / "update-000000002.pt").write_bytes(trap.getvalue() + digest)
    try:
        state = kept.load()
    except Exception as error:
        assert "weights_only" in str(error) or "Weights only" in str(error)
    else:
        assert state["update"] == 1
    assert not (tmp_path / "sprung").exists()


def test_no_module_loads_pickles_or_runs_remote_code():
    for path in [*PROJECT.glob("workflow/**/*.py"), *PROJECT.glob("benchmarks/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not names & {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}, path
            if isinstance(node, ast.Call):
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                called = ast.unparse(node.func)
                assert options.get("trust_remote_code", "False") == "False", path
                assert called != "torch.load" or options.get("weights_only") == "True", path
                assert called not in ("eval", "exec", "os.system", "yaml.load", "pd.read_pickle"), path
                assert not options.get("shell") and options.get("allow_pickle", "False") == "False", path


# ------------------------------------------------------------------------------------------ servers


@pytest.fixture
def https(tmp_path, monkeypatch):
    """A server with a certificate of its own that sends every caller on to `location`."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", self.server.location)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Redirect)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = f"https://localhost:{server.server_address[1]}"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    monkeypatch.delenv("CARRYOVER_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_https_that_leads_to_plain_http_is_refused(https, tmp_path):
    plain = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    plain.RequestHandlerClass.do_GET = lambda self: (self.send_response(200), self.end_headers(), self.wfile.write(b"x"))
    plain.RequestHandlerClass.log_message = lambda *_: None
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    https.location = f"http://127.0.0.1:{plain.server_address[1]}/file"
    with pytest.raises(BadInput, match="it redirects to plain http, where anyone can change it"):
        fetch("file", f"{https.url}/file", [], True, tmp_path / "lock.yaml", tmp_path / "file")
    plain.shutdown()
    assert not (tmp_path / "file").exists() and not (tmp_path / "lock.yaml").exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.org/XNLI-1.0.zip", "over plain http anyone can change the file"),
        ("https://me:secret@example.org/XNLI-1.0.zip", "put it into ~/.netrc"),
        ("https://token@example.org/XNLI-1.0.zip", "put it into ~/.netrc"),
        ("https://example.org/XNLI-1.0.zip", None),
        ("http://127.0.0.1:8000/XNLI-1.0.zip", None),
        ("/data/odd@place:1/XNLI-1.0.zip", None),
    ],
)
def test_urls_are_https_and_hold_no_login(url, told):
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["fetch"]["files"]["xnli"]["url"] = url
    if told is None:
        resolve(config, load_schema())
        return
    with pytest.raises(BadInput, match=told) as caught:
        resolve(config, load_schema())
    assert "secret" not in str(caught.value) and "fetch.files.xnli.url" in str(caught.value)
