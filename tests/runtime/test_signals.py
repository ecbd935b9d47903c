"""A job that is asked to stop: what it saves, what it says, and the status it ends with."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carryover.planning.keys import canonical
from study_runner import job_arguments

LIBRARY = Path(__file__).resolve().parents[2] / "workflow"
SCRIPT = """
import time
from carryover.runtime import files, signals
from carryover.training.checkpoints import Checkpoints
from carryover.runtime.job import run_job

signals.GRACE = 1

def work(job):
    what, kept = job.config, Checkpoints(job.resume_directory(), seconds_between=3600.0)
    state = kept.load() or {"update": 0}
    if what == "writing":
        with files.whole(job.output("copy")) as partial:
            partial.write_text("half")
            print("ready", flush=True)
            time.sleep(30)
    with signals.deferred():
        for update in range(149 if "step" in what else state["update"], 150):
            print("ready", flush=True)
            time.sleep({"long step": 30, "last step": 0.5}.get(what, 0.01))
            if what == "training" and kept.due():
                kept.save(update + 1, {"update": update + 1})
    files.write_text(job.output("copy"), "done")

run_job(work)
"""


def heard() -> None:
    """Undoes what nohup and background shells do, as the tests may run under either."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path):
    """Starts the job; it has begun its work when this returns."""
    (tmp_path / "job.py").write_text(SCRIPT)
    (tmp_path / "text.txt").write_text("hello")
    running = []

    def call(what: str) -> subprocess.Popen:
        command = [sys.executable, "job.py", "--key", canonical({"code": "abc", "config": what}), "--log", "log"]
        command += [
            "--provenance",
            "provenance",
            "--scratch",
            "scratch",
            *job_arguments({"text": "text.txt"}, {"copy": "out/copy"}),
        ]
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heard,
        )
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield call
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("request_", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_training_saves_says_so_and_goes_on_from_there(start, tmp_path, request_, status):
    process = start("training")
    time.sleep(0.2)
    process.send_signal(signal.Signals[request_])
    shown = process.communicate(timeout=20)[1].strip()
    assert process.returncode == status
    assert len(shown.splitlines()) == 1 and f"error: stopped by {request_}; after update" in shown
    saved = int(re.search(r"after update (\d+)", shown)[1])
    assert [int(path.stem.split("-")[1]) for path in tmp_path.glob("scratch/*/*")] == [saved]
    assert not (tmp_path / "out/copy").exists() and not (tmp_path / "provenance").exists()
    again = start("training")
    shown = again.communicate(timeout=30)[1]
    assert again.returncode == 0 and f"going on from update-{saved:09d}.pt" in shown
    assert (tmp_path / "out/copy").read_text() == "done"


@pytest.mark.parametrize("what", ["writing", "long step"])
def test_job_that_cannot_save_ends_all_the_same(start, tmp_path, what):
    """In the middle of writing at once; in a step that does not end, after the grace time."""
    process = start(what)
    process.terminate()
    shown = process.communicate(timeout=20)[1].strip()
    assert process.returncode == 143
    assert len(shown.splitlines()) == 1 and "error: stopped by SIGTERM; run the same command again" in shown
    assert not list((tmp_path / "out").glob("*"))


def test_a_second_request_does_not_cut_the_saving_short(start, tmp_path):
    process = start("training")
    for _ in range(5):
        process.terminate()
    shown = process.communicate(timeout=20)[1].strip()
    assert process.returncode == 143 and "after update" in shown
    assert len(list(tmp_path.glob("scratch/*/*.pt"))) == 1


def test_request_in_the_last_step_lets_the_job_finish(start, tmp_path):
    process = start("last step")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert (tmp_path / "out/copy").read_text() == "done" and (tmp_path / "provenance").exists()
