"""Faults of disks, files and surroundings, in the scripts that the rules call: nothing lost, and one clear line.

A `BadInput` is one line and status 1 (tests/test_job.py); which test shows which fault: docs/reliability.md.
"""

import errno
import json
import logging
import os
import runpy
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer
from tokenizers import models as tokenizer_models

from carryover.analysis.records import read_json
from carryover.answers import choice
from carryover.data import fetch as fetching
from carryover.data import mini, tokenizer
from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Model
from carryover.planning.keys import canonical
from carryover.runtime import files, leases
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job
from carryover.runtime.progress import progress
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune
from study_runner import PROJECT, job_arguments

SCRIPTS = PROJECT / "workflow/scripts"
MEMBER = "XNLI-MT-1.0/multinli/multinli.train.en.tsv"
OPTIONS = {"expected_rows": {"train": None}, "unsegment": False, "detokenize": False, "subset": 1.0, "subset_seed": None}
READING = {"parts": {"tasks": "nli"}, "language": "en", "unsegmented": False, "options": OPTIONS}


def run(name: str, config, inputs: dict, outputs: dict) -> None:
    """The work of a script in this process; raises what it raises."""
    lists = [{key: paths if isinstance(paths, list) else [paths] for key, paths in named.items()} for named in (inputs, outputs)]
    runpy.run_path(str(SCRIPTS / f"{name}.py"))["work"](Job("key", config, *lists))


def script(name: str, config, directory: Path, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """A script as Snakemake calls it."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--key", canonical({"config": config}), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1", **options.pop("env", {})}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, **options)


@pytest.fixture
def disk(tmp_path):
    """Mounts small file systems in memory, which are full or read-only for root too."""
    mounted = []

    def mount(name: str, kilobytes: int) -> Path:
        place = tmp_path / name
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a file system can only be mounted by root")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


@pytest.fixture
def archive(tmp_path) -> Path:
    """Training text of 2,000 rows in the published layout."""
    rows = "".join(f"Premise {n * 7919} .\tHypothesis {n * 104729} .\tneutral\n" for n in range(2000))
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as made:
        made.writestr(MEMBER, "premise\thypo\tlabel\n" + rows)
    return tmp_path / "archive.zip"


@pytest.fixture
def words(tmp_path) -> Path:
    """A tokeniser of a single entry."""
    made = Tokenizer(tokenizer_models.WordLevel({"<|endoftext|>": 0}, unk_token="<|endoftext|>"))
    tokenizer.save(made, tmp_path / "words")
    return tmp_path / "words/tokenizer.json"


# ------------------------------------------------------------------------------------------ a full disk


@pytest.fixture
def write(archive, words, make_model, make_prompts, tmp_path, monkeypatch):
    """Writes one kind of output into a folder by the script that makes it; gives the path of the file."""
    sources = tmp_path / "sources"
    make_model(n_embd=64).save_pretrained(sources)

    def call(kind: str, folder: Path) -> Path:
        if kind == "table":
            outputs = {"tables": folder / "en.train.parquet", "counts": tmp_path / "counts.json"}
            run("corpus", READING, {"sources": archive}, outputs)
            return folder / "en.train.parquet"
        if kind == "model":
            inputs = {"files": [sources / "config.json", sources / "model.safetensors"]}
            inputs["tokenizer"] = [words, words.with_name("tokenizer_config.json")]
            outputs = {"model": [folder / "config.json", folder / "model.safetensors"]}
            run("models", {"source": "fetch", "parts": {"models": "gpt2"}}, inputs, outputs)
            return folder / "model.safetensors"
        if kind == "archive":
            built = {name: os.urandom(40_000) for name in ("XNLI-1.0.zip", "XNLI-MT-1.0.zip", "pretrain.txt")}
            monkeypatch.setattr(mini, "build", lambda _: built)  # which takes seconds; its bytes do not matter here
            outputs = {"evaluation": folder / "XNLI-1.0.zip", "training": tmp_path / "t.zip", "text": tmp_path / "t.txt"}
            run("mini", None, {"frames": tmp_path / "frames.yaml", "sources": []}, outputs)
            return folder / "XNLI-1.0.zip"
        if kind == "tokens":
            make_prompts(2000).save(folder / "en.train.safetensors")
            return folder / "en.train.safetensors"
        config = {"path": "file.zip", "sha256": [files.sha256(archive)], "first_use": False}
        run("fetch", config, {"source": archive}, {"file": folder / "file.zip"})
        return folder / "file.zip"

    return call


KINDS = ["table", "model", "archive", "tokens", "copied download"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_leaves_the_old_file_and_no_half_of_a_new_one(disk, write, tmp_path, kind):
    whole = write(kind, tmp_path / "roomy").read_bytes()
    folder = disk("small", 12)
    old = folder / write(kind, tmp_path / "roomy").name
    old.write_bytes(b"old")
    with pytest.raises(BadInput, match=r"cannot (write|copy) .*(No space left on device|\[Errno 28\])"):
        write(kind, folder)
    assert len(whole) > 12 << 10 and old.read_bytes() == b"old"
    assert [path.name for path in folder.iterdir() if path.suffix in (".partial", ".part")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_results_directory_is_one_line(disk, write, kind):
    folder = disk("sealed", 4000)
    read_only(folder)
    with pytest.raises(BadInput, match=r"cannot (write|copy) .*Read-only file system"):
        write(kind, folder)


def test_a_full_scratch_costs_the_checkpoints_and_not_the_training(disk, make_model, make_prompts, make_recipe, caplog):
    data, folder = make_prompts(20), disk("scratch", 64)
    recipe, runs = make_recipe(epochs=2), []
    for directory in (None, folder):
        model = make_model()
        finetune(model, choice, data, {"en": data}, recipe, 0, Checkpoints(directory, seconds_between=0.0))
        runs.append(model.state_dict())
    assert "not saved, training goes on: cannot write" in caplog.text and "No space left on device" in caplog.text
    assert all((runs[0][name] == runs[1][name]).all() for name in runs[0])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_log_that_cannot_be_written_is_one_line_or_none(disk, archive, tmp_path, state):
    logs = disk("logs", 4)
    if state == "full":
        (logs / "fill").write_bytes(b"x" * 4096)
    else:
        read_only(logs)
    arguments = [
        "--log",
        "logs/log",
        *job_arguments({"sources": archive}, {"tables": "out/en.train.parquet", "counts": "out/counts.json"}),
    ]
    ran = script("corpus", READING, tmp_path, *arguments)
    if state == "full":
        assert ran.returncode == 0 and "Traceback" not in ran.stderr
        assert len(pd.read_parquet(tmp_path / "out/en.train.parquet")) == 2000
    else:
        assert ran.returncode == 1 and ran.stderr == "error: cannot write the log logs/log: Read-only file system\n"


# ------------------------------------------------------------------------------------------ damaged files of our own


def cut(path: Path, share: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize("damage", ["cut off", "empty", "gone", "other"])
def test_damaged_token_files_name_themselves(make_prompts, tmp_path, damage):
    path = tmp_path / "en.train.safetensors"
    make_prompts(20).save(path)
    {"cut off": cut, "empty": lambda p: p.write_bytes(b""), "gone": Path.unlink, "other": lambda p: p.write_text("{}")}[damage](
        path
    )
    with pytest.raises(BadInput, match=r"en\.train\.safetensors: damaged or cut off .*; delete it and run again"):
        XNLIDataset.load([path])


@pytest.mark.parametrize("name", ["tokens", "fertility"])
@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_damaged_corpus_tables_name_themselves(archive, words, tmp_path, name, damage):
    """Also where an input disappears between Snakemake's look and the job's."""
    path = tmp_path / "en.train.parquet"
    run("corpus", READING, {"sources": archive}, {"tables": path, "counts": tmp_path / "counts.json"})
    cut(path) if damage == "cut off" else path.unlink()
    inputs = {"tokenizer": words, "tables": path} if name == "tokens" else {"tokenizer": words, "train": path, "dev": []}
    config = {"parts": {"tasks": "nli"}, "view": "full", "options": {}, "pretraining_length": None}
    config |= {"rows": 10, "source_language": "en"}
    with pytest.raises(BadInput, match=r"en\.train\.parquet: damaged or cut off"):
        run(name, config, inputs, {"tokens": tmp_path / "en.train.safetensors", "fertility": tmp_path / "f.csv"})


@pytest.mark.parametrize("content", [None, b"", b'{"key": ', b"\xff\xfe"])
def test_a_missing_or_corrupt_provenance_names_itself(tmp_path, content):
    path = tmp_path / "provenance.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"provenance\.json: not readable JSON"):
        read_json(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_were_cut_off_name_themselves(make_model, tmp_path, share):
    make_model().save_pretrained(tmp_path)
    cut(tmp_path / "model.safetensors", share)
    with pytest.raises(BadInput, match=r"model\.safetensors: not a readable safetensors file"):
        GPT2Model.from_pretrained(tmp_path)


def test_a_model_of_another_shape_names_the_tensor(make_model, tmp_path):
    make_model().save_pretrained(tmp_path)
    shape = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**shape, "n_positions": 12}))
    with pytest.raises(BadInput, match=r"wpe\.weight has shape \(48, 32\), config\.json asks for \(12, 32\)"):
        GPT2Model.from_pretrained(tmp_path)


# ------------------------------------------------------------------------------------------ memory, locks, surroundings


def test_a_job_without_memory_says_which_key_gives_more(tmp_path):
    """A real refusal of the system: the address space is limited once the libraries are loaded."""
    (tmp_path / "job.py").write_text(
        "import resource, numpy\nfrom carryover.runtime.job import run_job\n"
        "def work(job):\n    resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)\n    numpy.ones(1 << 40)\n"
        "run_job(work)\n"
    )
    command = [sys.executable, "job.py", "--key", canonical({"config": None})]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert "error: out of memory" in ran.stderr and "--set-resources RULE:mem_mb=N" in ran.stderr


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def no_locks(request, monkeypatch):
    """A file system whose locks fail, as some network file systems' do."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return request.param


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_checksums_are_recorded_on_a_file_system_without_locks(no_locks, archive, tmp_path, monkeypatch):
    monkeypatch.delenv(fetching.MIRROR, raising=False)
    monkeypatch.chdir(tmp_path)
    config = {"path": "sub/file.zip", "sha256": [], "first_use": True}
    for target in ("one.zip", "two.zip"):
        run("fetch", config, {"source": archive}, {"file": tmp_path / target})
    assert (tmp_path / "config.lock.yaml").read_text() == f"sub/file.zip: {files.sha256(archive)}\n"
    assert {path.name for path in tmp_path.glob("config.*")} == {"config.lock.yaml"}  # no lock is left behind


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_gpus_are_leased_or_refused_in_one_line_without_locks(no_locks, tmp_path, monkeypatch):
    """Where the folder of leases cannot lock, jobs must not share a GPU silently."""
    monkeypatch.setenv(leases.FOLDER, str(tmp_path / "leases"))
    if no_locks == errno.ENOSYS:  # here filelock falls back to files that say who holds them
        assert leases.lease(1, ["0"]) == ["0"]
        leases._held.pop().release()
        return
    with pytest.raises(BadInput, match=rf"cannot lock .*set {leases.FOLDER} to a folder on a local disk"):
        leases.lease(1, ["0"])


@pytest.mark.parametrize(
    "surroundings",
    [
        {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "1"},  # the last as the rules say
        {"HOME": None, "TMPDIR": "/does/not/exist", "USER": None},
    ],
    ids=["locale C", "no home, no temporary directory"],
)
def test_odd_surroundings_change_nothing(tmp_path, surroundings):
    rows = "".join(f"Ο γάτος {n} κοιμάται .\tஐ {n} ไทย\tneutral\n" for n in range(20))
    with zipfile.ZipFile(tmp_path / "αρχείο.zip", "w") as made:
        made.writestr(MEMBER, "premise\thypo\tlabel\n" + rows)
    arguments = [
        "--log",
        "log",
        "--provenance",
        "p.json",
        *job_arguments({"sources": "αρχείο.zip"}, {"tables": "en.train.parquet", "counts": "c"}),
    ]
    command = [sys.executable, str(SCRIPTS / "corpus.py"), "--key", canonical({"config": {**READING, "note": "ไทย"}}), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1", **surroundings}
    environment = {name: value for name, value in environment.items() if value is not None}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert pd.read_parquet(tmp_path / "en.train.parquet")["premise"][3] == "Ο γάτος 3 κοιμάται ."
    assert json.loads((tmp_path / "p.json").read_text())["key"]["config"]["note"] == "ไทย"


@pytest.mark.parametrize("closed", [">&- 2>&-", "2>&1 | true"])
def test_a_job_whose_screen_is_closed_works_on(archive, tmp_path, closed):
    arguments = ["--log", "log", *job_arguments({"sources": archive}, {"tables": "en.train.parquet", "counts": "counts.json"})]
    command = [sys.executable, str(SCRIPTS / "corpus.py"), "--key", canonical({"config": READING}), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1"}
    subprocess.run(["bash", "-c", f'"$@" {closed}', "-", *command], cwd=tmp_path, env=environment, check=True)
    assert len(pd.read_parquet(tmp_path / "en.train.parquet")) == 2000
    assert "2000 rows" in (tmp_path / "log").read_text()


def test_a_progress_without_a_screen_still_logs(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr("carryover.runtime.progress.SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level(logging.INFO)
    with progress("training", 10) as counter:
        counter.advance(3)
    assert "training: 3 of 10" in caplog.text


def test_a_file_from_the_future_is_read_like_any_other(make_prompts, tmp_path):
    """A node whose clock is an hour ahead: nothing that reads looks at the time."""
    make_prompts(5).save(tmp_path / "tokens")
    before = files.sha256(tmp_path / "tokens")
    os.utime(tmp_path / "tokens", (time.time() + 3600,) * 2)
    assert len(XNLIDataset.load([tmp_path / "tokens"])) and files.sha256(tmp_path / "tokens") == before
