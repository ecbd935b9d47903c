"""The cluster, and the study that all tests here look at: run once, through the profile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slurm_cluster import ETC, Cluster, cluster, daemons, missing

from study_runner import clone

OVERLAYS = ["--configfile", "workflow/overlays/mini.yaml", "tests/slurm/tiny.yaml"]


@dataclass
class Ran:
    """A study that ran: its project, what Snakemake printed, every job that the controller saw, and the options of its config."""

    project: Path
    printed: str
    jobs: list[dict[str, str]]
    overlays: list[str]

    @property
    def results(self) -> Path:
        return self.project / "results/tiny"


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[Cluster]:
    """A running cluster; none of its processes and files is left afterwards, however the tests end."""
    if reason := missing():
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running
    assert daemons() == []
    assert not (ETC / "slurm.conf").exists()


@pytest.fixture(scope="session")
def submit() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts Snakemake with the profile in a project; what it prints goes to printed.txt there."""
    started = []

    def start(project: Path, *overlays: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "snakemake", *OVERLAYS, *overlays, "--workflow-profile", "workflow/profiles/slurm"]
        command += ["--slurm-init-seconds-before-status-checks", "2"]  # a controller of our own may be asked often
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARRYOVER")}
        with (project / "printed.txt").open("w") as printed:
            process = subprocess.Popen(
                command,
                cwd=project,
                env={**inherited, "CARRYOVER_CLUSTER": "tests/slurm/cluster.yaml", **environment},
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def ran(slurm, submit, tmp_path_factory) -> Ran:
    """The tiny study, from the embedded corpus to the report."""
    project = clone(tmp_path_factory.mktemp("study") / "project")
    status = submit(project).wait(1500)
    printed = (project / "printed.txt").read_text()
    assert status == 0, printed[-4000:]
    return Ran(project, printed, slurm.jobs(), OVERLAYS)
