"""A job that measures time: refused on a busy machine, and alone in the study that it belongs to."""

import os
import subprocess
import sys

import pytest

from carryover.planning.keys import canonical
from carryover.runtime import timing
from carryover.runtime.errors import BadInput
from study_runner import PROJECT, clone


@pytest.fixture
def machine(monkeypatch):
    """A machine with these load averages, one a look, at whose clock no second passes unseen."""

    def make(*loads: float) -> list[float]:
        left, slept = list(loads), []
        monkeypatch.setattr(os, "getloadavg", lambda: (left.pop(0) if len(left) > 1 else left[0], 0.0, 0.0))
        monkeypatch.setattr(timing.time, "sleep", slept.append)
        monkeypatch.setattr(timing.time, "monotonic", lambda: sum(slept))
        return slept

    return make


@pytest.mark.parametrize(("load", "cores"), [(0.0, 1), (0.5, 1), (1.0, 2), (3.9, 8)])
def test_an_idle_machine_is_measured_at_once(machine, load, cores):
    slept = machine(load)
    timing.wait_for_idle_machine(cores)
    assert slept == []


def test_what_ended_just_now_is_waited_for(machine, caplog):
    slept = machine(2.0, 1.5, 0.9)
    with caplog.at_level("INFO", logger="carryover"):
        timing.wait_for_idle_machine(2)
    assert len(slept) == 2 and "waiting for the machine to be idle: load average 2.00, at most 1" in caplog.text


def test_a_machine_that_stays_busy_is_refused_in_one_line(machine):
    slept = machine(1.01)
    with pytest.raises(BadInput, match=r"^this job measures time, and the machine is busy: load average 1\.01, at most 1 for 2 "):
        timing.wait_for_idle_machine(2)
    assert timing.SECONDS_TO_SETTLE <= sum(slept) < timing.SECONDS_TO_SETTLE + 2 * timing.SECONDS_BETWEEN_LOOKS


def test_a_job_that_measures_time_asks_before_it_works(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(
        "import os\n"
        "from carryover.runtime import job, timing\n"
        "timing.SECONDS_TO_SETTLE = 0\n"
        "os.getloadavg = lambda: (9.0, 9.0, 9.0)\n"
        "job.run_job(lambda job: print('worked'))\n"
    )
    command = [sys.executable, str(script), "--key", canonical({"config": None})]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow")}
    busy = subprocess.run([*command, "--alone", "2"], env=environment, capture_output=True, text=True)
    assert busy.returncode == 1 and busy.stderr.count("\n") == 1 and "this job measures time" in busy.stderr and not busy.stdout
    other = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert other.returncode == 0 and other.stdout == "worked\n"


TIMED = """
use rule job as speed with:
    output:
        config="speed.yaml",
        provenance="speed.json",
    threads: ALL_CORES
    resources:
        **needs(runtime=10, alone=True),
    params:
        **keyed("config", resolved={"x": 1}),
"""


def test_a_rule_that_measures_time_has_all_cores_and_a_key_that_does_not_know_them(tmp_path):
    """It does not run again on a machine with other cores."""
    directory = clone(tmp_path / "carryover")
    (directory / "workflow/rules/speed.smk").write_text(TIMED, encoding="utf-8")
    with (directory / "Snakefile").open("a", encoding="utf-8") as file:
        file.write('\n\ninclude: "workflow/rules/speed.smk"\n')

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "snakemake", "speed.yaml", "--configfile", "workflow/overlays/mini.yaml", *arguments]
        ran = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    planned = run("--cores", "3", "--dry-run", "--printshellcmds")
    assert "threads: 3" in planned and "--alone 3 " in planned and "slurm_extra=--open-mode=append --exclusive" in planned
    run("--cores", "3", "--set-resources", "speed:alone=1000")  # whatever else runs on this machine
    assert "Nothing to be done" in run("--cores", "7", "--dry-run")
