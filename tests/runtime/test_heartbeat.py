"""A job that hangs shows in its log, and ends when its time is over."""

import os
import re
import signal
import subprocess
import sys

import pytest

from carryover.planning.keys import canonical
from study_runner import PROJECT, job_arguments

SCRIPT = """
import signal, time
from carryover.runtime import files, heartbeat
from carryover.runtime.job import log, run_job


def work(job):
    log.info("read 17 rows")
    if job.config == "deaf":
        heartbeat.SECONDS_TO_END = 0.1
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if job.config == "compute":
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            sum(range(1000))
    elif job.config == "talk":
        for n in range(8):
            log.info("row %d", n)
            time.sleep(0.1)
    else:
        time.sleep(0.8 if job.config == "pause" else 60)
    files.write_text(job.output("done"), "done")


run_job(work)
"""


@pytest.fixture
def run(tmp_path):
    """Runs a job that does as it is told; gives its status and its log."""
    (tmp_path / "job.py").write_text(SCRIPT)

    def call(what: str, minutes: float = 0) -> tuple[int, str]:
        command = [sys.executable, "job.py", "--key", canonical({"config": what}), "--log", "log"]
        command += job_arguments({}, {"done": "done"})
        environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "CARRYOVER_HEARTBEAT_SECONDS": "0.3"}
        process = subprocess.run([*command, "--minutes", str(minutes)], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        return process.returncode, (tmp_path / "log").read_text()

    return call


def beats(log: str) -> list[str]:
    return [line for line in log.splitlines() if "nothing new for" in line]


def test_a_silent_job_tells_what_it_said_last_since_when_and_where_it_is(run):
    status, log = run("pause")
    assert status == 0
    assert len(beats(log)) == 2
    assert "(0.0 s of processor time), at job.py:21; last: read 17 rows" in beats(log)[-1]  # the line that sleeps


def test_a_job_that_computes_looks_different_from_one_that_hangs(run):
    _, log = run("compute")
    assert float(re.search(r"\((.*) s of processor time\)", beats(log)[-1])[1]) >= 0.2


def test_a_job_that_talks_has_no_heartbeat(run):
    assert beats(run("talk")[1]) == []


@pytest.mark.parametrize("what", ["hang", "deaf"])
def test_a_job_past_its_time_limit_ends_with_one_line(run, tmp_path, what):
    status, log = run(what, minutes=1 / 60)
    assert status == (128 + signal.SIGTERM if what == "hang" else 1)
    (line,) = [line for line in log.splitlines() if "time limit" in line]
    assert "error: its time limit of 0.0166667 minutes is over, at job.py:21; last: read 17 rows; give it more by" in line
    assert not (tmp_path / "done").exists()


def test_every_rule_has_a_time_limit_that_its_jobs_are_told():
    """All are called by one command; what a rule asks for in its place has a time limit too."""
    called = 0
    for path in (PROJECT / "workflow").glob("**/*.smk"):
        text = path.read_text()
        assert text.count("**needs(") == text.count("runtime="), path
        assert text.count("shell:") == text.count("shell:\n        RUN\n") + text.count("shell:\n            RUN\n"), path
        called += text.count("--minutes {resources.runtime}")
    assert called == 1
