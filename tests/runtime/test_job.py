"""Scripts as Snakemake calls them: provenance, one line for bad input, and where checkpoints lie."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carryover.planning.keys import canonical
from carryover.runtime.job import Job
from study_runner import job_arguments

LIBRARY = Path(__file__).resolve().parents[2] / "workflow"
SCRIPT = '''"""A job of the tests."""

import logging
import os
from pathlib import Path

from carryover.runtime.errors import BadInput
from carryover.runtime.job import run_job
from carryover.runtime import files

log = logging.getLogger("carryover")


def work(job):
    what = job.config["what"]
    if what == "bad":
        raise BadInput("table.tsv, line 7:\\n unknown label 'perhaps'")
    if what == "bug":
        raise ZeroDivisionError("a slip of ours")
    if what == "memory":
        raise MemoryError
    if what == "memory of torch":
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
    if what == "private":
        home = str(Path.home())
        log.info("reads %s of %s with %s", home + "/data/x", "https://me:word@host/file", os.environ["MIRROR_TOKEN"])
        job.facts["where"] = home + "/data/x"
    if what == "private bug":
        raise KeyError(str(Path.home() / "data/x"))
    files.write_text(job.output("copy"), job.input("text").read_text() + what)
    job.facts["letters"] = len(what)


run_job(work)
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the script with a config; gives the process, and the paths of its log, provenance and output."""
    monkeypatch.delenv("CARRYOVER_DEBUG", raising=False)
    (tmp_path / "job.py").write_text(SCRIPT)
    (tmp_path / "text.txt").write_text("hello ")
    (tmp_path / "more.txt").write_text("second")
    paths = {name: tmp_path / "out" / name for name in ("log", "provenance", "copy")}

    def call(what: str, *flags: str, more=tmp_path / "more.txt", **environment: str):
        command = [sys.executable, str(tmp_path / "job.py"), "--key", canonical({"code": "abc", "config": {"what": what}})]
        command += [f"--{name}={paths[name]}" for name in ("log", "provenance")]
        command += job_arguments({"text": tmp_path / "text.txt", "more": more}, {"copy": paths["copy"]})
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY), **environment}
        return subprocess.run([*command, *flags], capture_output=True, text=True, env=environment, cwd=tmp_path), paths

    return call


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_provenance_tells_how_the_outputs_were_made(run, tmp_path):
    process, paths = run("work")
    assert process.returncode == 0, process.stderr
    assert paths["copy"].read_text() == "hello work"
    told = json.loads(paths["provenance"].read_text())
    assert told["key"] == {"code": "abc", "config": {"what": "work"}}
    assert told["inputs"] == {str(path): sha256(path) for path in (tmp_path / "text.txt", tmp_path / "more.txt")}
    assert told["outputs"] == {str(paths["copy"]): sha256(paths["copy"])}
    assert told["facts"] == {"letters": 4}
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["packages"]["numpy"]
    assert told["seconds"] >= 0
    assert told["peak_memory_mb"] > 1
    assert "started" in told and "host" in told and "platform" in told and "git_commit" in told
    assert told["device"].endswith("CPU")


def test_peak_memory_is_the_jobs_own(tmp_path):
    """Not that of the process that started it, whose largest size `getrusage` hands down."""
    code = """if True:
        import subprocess, sys
        held = bytearray(400 * 2**20)
        child = "from carryover.runtime.job import peak_memory_mb; print(peak_memory_mb()); held = bytearray(100 * 2**20); "
        print(subprocess.run([sys.executable, "-c", child + "print(peak_memory_mb())"], capture_output=True, text=True).stdout)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment).stdout
    before, after = map(float, told.split())
    assert 5 < before < 100
    assert after - before == pytest.approx(100, abs=5)


def test_bad_input_is_one_line_without_a_traceback(run):
    process, paths = run("bad")
    assert process.returncode == 1
    (line,) = process.stderr.strip().splitlines()
    assert "error: table.tsv, line 7: unknown label 'perhaps'" in line  # line breaks in a message do not break the line
    assert str(paths["log"]) in line
    assert "Traceback" not in paths["log"].read_text()
    assert not paths["copy"].exists()
    assert not paths["provenance"].exists()


@pytest.mark.parametrize("switch", [("--debug",), {"CARRYOVER_DEBUG": "1"}])
def test_debug_shows_where_bad_input_was_found(run, switch):
    process, paths = run("bad", *switch) if isinstance(switch, tuple) else run("bad", **switch)
    assert process.returncode == 1
    assert "Traceback" in paths["log"].read_text()
    assert "error: table.tsv" in process.stderr


def test_a_bug_leaves_its_traceback_in_the_log(run):
    process, paths = run("bug")
    assert process.returncode == 1
    told = paths["log"].read_text()
    assert "Traceback" in told and 'raise ZeroDivisionError("a slip of ours")' in told
    assert "Traceback" not in process.stderr
    assert "error: ZeroDivisionError: a slip of ours" in process.stderr.splitlines()[-1]
    assert not paths["provenance"].exists()


@pytest.mark.parametrize("what", ["memory", "memory of torch"])
def test_too_little_memory_says_how_to_give_more(run, what):
    process, _ = run(what)
    assert process.returncode == 1
    (line,) = process.stderr.strip().splitlines()
    assert "out of memory" in line and "mem_mb" in line


@pytest.mark.parametrize("what", ["private", "private bug"])
def test_home_directory_and_secrets_stay_out_of_log_and_provenance(run, tmp_path, what):
    """The project lies under the home directory too: the traceback of a bug names files there."""
    process, paths = run(what, HOME=str(tmp_path), MIRROR_TOKEN="s3cret-of-mine")
    told = process.stderr + paths["log"].read_text()
    if what == "private":
        assert process.returncode == 0, process.stderr
        assert "reads ~/data/x of https://***@host/file with ***" in told
        told += paths["provenance"].read_text()
        assert json.loads(paths["provenance"].read_text())["facts"]["where"] == "~/data/x"
    else:
        assert process.returncode == 1 and "Traceback" in told and 'File "~/job.py"' in told
    assert str(tmp_path) not in told and "s3cret" not in told and "word" not in told


def test_a_log_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    process, _ = run("work")
    assert process.returncode == 1
    (line,) = process.stderr.strip().splitlines()
    assert line.startswith("error: cannot write the log")


def test_an_unknown_argument_is_refused(run):
    process, _ = run("work", "--colour", "red")
    assert process.returncode != 0
    assert "--colour" in process.stderr


@pytest.fixture
def job(tmp_path) -> Job:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    inputs = {"model": [tmp_path / "a"], "train": [tmp_path / "b", tmp_path / "c"]}
    return Job("key", {}, inputs, {"model": [tmp_path / "out" / "model"]}, scratch=tmp_path / "scratch")


def test_the_same_job_resumes_in_the_same_place(job, tmp_path):
    again = Job("key", {}, job.inputs, job.outputs, gpu=1, scratch=tmp_path / "scratch")
    assert again.resume_directory() == job.resume_directory()
    assert job.resume_directory().parent == tmp_path / "scratch"


@pytest.mark.parametrize("what", ["key", "output", "one input's bytes", "order of inputs"])
def test_another_job_does_not_resume_there(job, tmp_path, what):
    before = job.resume_directory()
    if what == "key":
        job.key = "another"
    elif what == "output":
        job.outputs = {"model": [tmp_path / "elsewhere" / "model"]}
    elif what == "one input's bytes":
        (tmp_path / "c").write_text("C")
    else:
        job.inputs["train"].reverse()
    assert job.resume_directory() != before


def test_an_input_that_was_only_touched_still_resumes(job, tmp_path):
    before = job.resume_directory()
    (tmp_path / "a").write_text("a")
    assert job.resume_directory() == before


def test_without_scratch_nothing_is_resumed(job):
    job.scratch = None
    assert job.resume_directory() is None


def test_one_path_is_one_path(job):
    assert job.input("model").name == "a"
    with pytest.raises(ValueError, match="unpack"):
        job.input("train")


def test_more_paths_than_a_command_line_holds_come_by_a_file(run, tmp_path):
    paths = tmp_path / "paths"
    paths.write_text(f"{tmp_path}/text.txt\n" + "".join(f"{tmp_path}/{number:0100d}\n" for number in range(20_000)))
    listed = ("--inputs", f"@{paths}", "--input-names", str({"text": (0, None), "more": (1, 20_001)}))
    made, outputs = run("world", *listed)
    assert made.returncode == 0, made.stderr
    assert outputs["copy"].read_text() == "hello world"
    # A key on one line, although Unicode would end one in it.
    (tmp_path / "key").write_text(canonical({"code": "abc", "config": {"what": "\u2028" + "a" * 200_000}}) + "\n", "utf-8")
    made, outputs = run("world", "--key", f"@{tmp_path / 'key'}")
    assert made.returncode == 0 and len(outputs["copy"].read_text()) == 200_007
    (tmp_path / "none").write_text("\n")
    assert run("world", "--outputs", f"@{tmp_path / 'none'}", "--output-names", "{}")[0].returncode == 1
    assert run("world", more=[])[0].returncode == 0
