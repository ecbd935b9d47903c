"""What Snakemake would run: its own dry run, read back as jobs.

A dry run in a forked child costs half of one by the command line, since Snakemake and the library are imported once.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from carryover.runtime.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {
    r"predict_.*": "predict",
    r"finetune_.*": "finetune",
    r"likelihood_.*": "likelihood",
}  # rules that are one but for their outputs
JOB = re.compile(r"^(?:local)?rule (\w+):\n(.*?)(?=\n\n|\Z)", re.M | re.S)
ALL = "all"


@dataclass(frozen=True)
class Listed:
    """A job of a dry run: its rule, its files, why it would run, and its shell command."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str
    command: str

    @property
    def family(self) -> str:
        """The rule's name without what only tells its outputs from another's."""
        return next((name for pattern, name in FAMILIES.items() if re.fullmatch(pattern, self.rule)), self.rule)

    def option(self, name: str) -> str:
        """The one value that the command gives for `--name`, as an argument or through a pipe."""
        words = shlex.split(self.command)
        place = words.index(f"--{name}") + 1
        return words[place + 2].removesuffix(")") if words[place] == "@<(printf" else words[place]

    @property
    def key(self) -> dict[str, Any]:
        """What decides that it runs: its code and its slice of the config."""
        return json.loads(self.option("key"))

    @property
    def provenance(self) -> str:
        """Where it says how it was made."""
        return self.option("provenance")


def dry_run(directory: Path, arguments: Sequence[str]) -> list[Listed]:
    """The jobs that Snakemake would run in this copy of the project, without `all`, in its order.

    arguments: targets before options. Raises BadInput with Snakemake's message where it refuses.
    """
    (answer,) = dry_runs(directory, [arguments])
    if isinstance(answer, str):
        raise BadInput(f"Snakemake refuses this study: {answer}")
    return answer


def dry_runs(directory: Path, questions: Iterable[Sequence[str]], at_once: int = 2) -> Iterator[list[Listed] | str]:
    """For each list of arguments in turn the jobs that Snakemake would run, or its message where it refuses."""
    # A profile may ask for quiet about rules, which would leave nothing to read: another kind of quiet takes its place.
    asked = ([*arguments, "--dry-run", "--printshellcmds", "--quiet", "host", "--cores", "2"] for arguments in questions)
    for status, text in run_snakemakes(directory, asked, at_once):
        yield " ".join(text.split())[-600:] if status else read_jobs(text)


def run_snakemakes(directory: Path, calls: Iterable[Sequence[str]], at_once: int = 2) -> Iterator[tuple[int, str]]:
    """Runs Snakemake with each list of arguments, `at_once` at a time; exit status and what was printed, in their order."""
    running: deque[tuple[int, IO[bytes]]] = deque()
    for arguments in calls:
        if len(running) == at_once:
            yield _finish(*running.popleft())
        said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _finish)
        running.append((_start(directory, arguments, said), said))
    while running:
        yield _finish(*running.popleft())


def prepare_forks(directory: Path = ROOT) -> None:
    """Imports and parses what dry runs in a copy of the project need, once for all of them: most of the time of a small one.

    Files are still read as they are at each dry run, but for the modules that plan, which are loaded now.
    """
    import snakemake.cli

    from carryover.planning.keys import read_ahead

    import_module("carryover.planning.workload")
    import_module("carryover.data.fetch")
    import_module("carryover.reporting.chapters")
    snakemake.cli.get_argument_parser()  # which imports the plug-ins
    read_ahead()
    read_ahead(directory / "workflow/scripts")  # the library is this one's


def _start(directory: Path, arguments: Sequence[str], said: IO[bytes]) -> int:
    import snakemake.cli  # not on top: reading a listing needs no Snakemake

    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.chdir(directory)
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        snakemake.cli.main(list(arguments))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        print(end.code if isinstance(end.code, str) else "", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _finish(child: int, said: IO[bytes]) -> tuple[int, str]:
    _, status = os.waitpid(child, 0)
    with said:
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode()


def read_jobs(text: str) -> list[Listed]:
    """The jobs of what a dry run with `--printshellcmds` prints."""
    jobs = []
    for rule, body in JOB.findall(text):
        facts, _, command = body.partition("\nShell command: ")
        given = dict(line.strip().split(": ", 1) for line in facts.splitlines() if ": " in line)
        files = {name: tuple(filter(None, given.get(name, "").split(", "))) for name in ("input", "output")}
        if rule != ALL:
            jobs.append(Listed(rule, files["input"], files["output"], given.get("reason", ""), command))
    return jobs


def pretend_finished(directory: Path, arguments: Sequence[str]) -> list[Listed]:
    """Makes Snakemake believe that a study has run in this copy of the project: empty outputs, and their metadata.

    Returns all jobs of the study.
    """
    jobs = dry_run(directory, ["--forceall", *arguments])
    for path in (directory / name for job in jobs for name in job.outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for status, text in run_snakemakes(directory, [["--touch", "--forceall", "--cores", "2", "--quiet", "all", *arguments]]):
        if status:
            raise BadInput(f"Snakemake cannot take these files for results: {' '.join(text.split())[-1000:]}")
    return jobs
