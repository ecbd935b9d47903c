"""Runs Snakemake on a copy of the project, as a user would in a clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from made_once import PROJECT, made_once

MINI = ("--configfile", "workflow/overlays/mini.yaml")
INHERITED = {name: value for name, value in os.environ.items() if not name.startswith("CARRYOVER")}
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "downloads", "__pycache__", ".*_cache")


def clone(target: Path) -> Path:
    """A copy of the project without what it made: no results, downloads or metadata."""
    shutil.copytree(PROJECT, target, ignore=LEFT_OUT)
    return target


def snakemake(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake there; output and errors together in `stdout`."""
    # What is asked for comes first: some options take all that follows them.
    limits = [] if "--resources" in arguments else ["--resources", "gpu=0"]
    cores = [] if "--cores" in arguments else ["--cores", "2"]
    command = [sys.executable, "-m", "snakemake", *arguments, *cores, *limits]
    if "--dry-run" in arguments and not environment:
        planner = dry_runner(directory)
        print(json.dumps(command[3:]), file=planner.stdin, flush=True)
        status, said = json.loads(planner.stdout.readline())
        return subprocess.CompletedProcess(command, status, said)
    return subprocess.run(
        command, cwd=directory, env={**INHERITED, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


DRY_RUNS = """
import json, sys
from pathlib import Path
from tools.listing import prepare_forks, run_snakemakes
for number, asked in enumerate(sys.stdin):
    if number == 1:
        prepare_forks()  # for a single dry run it would not pay
    ((status, said),) = run_snakemakes(Path(), [json.loads(asked)])
    print(json.dumps([status, said]), flush=True)
"""


@cache
def dry_runner(directory: Path) -> subprocess.Popen[str]:
    """A process that makes dry runs in a project, each in a fork of its own and from its files as they are then.

    Snakemake and the modules that plan are imported once, and all modules parsed once, which is most of a dry run's time.
    Ends with the process that asks.
    """
    environment = {**INHERITED, "PYTHONPATH": str(directory / "workflow")}
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", DRY_RUNS], cwd=directory, env=environment, text=True, **piped)


def finished_mini(target: Path) -> Path:
    """A copy of the project in which the mini study has run to its end, times and metadata included."""

    def make(place: Path) -> None:
        ran = snakemake(clone(place / "carryover"), *MINI, "--quiet", "rules")
        assert ran.returncode == 0, ran.stdout[-4000:]

    return made_once("mini-study", make, target) / "carryover"


def job_arguments(inputs: dict[str, Any], outputs: dict[str, Any]) -> list[str]:
    """The part of a script's command line that names its files. inputs, outputs: a path, or a list of them, by name."""
    words = []
    for kind, named in (("input", inputs), ("output", outputs)):
        paths, spans = [], {}
        for name, given in named.items():
            several = list(given) if isinstance(given, list | tuple) else [given]
            spans[name] = (len(paths), len(paths) + len(several))
            paths += map(str, several)
        words += [f"--{kind}s", *paths, f"--{kind}-names", str(spans)]
    return words


def planned(directory: Path, *arguments: str) -> dict[str, int]:
    """The jobs that a dry run lists, by rule, without `all`."""
    shown = snakemake(directory, "--dry-run", "--quiet", "rules", *arguments)
    assert shown.returncode == 0, shown.stdout
    if "Nothing to be done" in shown.stdout:
        return {}
    table = shown.stdout.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M) if rule != "all"}
