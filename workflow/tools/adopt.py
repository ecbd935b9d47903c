"""Takes over results that were made elsewhere: `python -m tools.adopt [Snakemake's options for the study]`.

Snakemake knows what is up to date from its own metadata, which results that were copied to another machine or a fresh
clone have lost; without it a changed value would go unnoticed. Here each output is held against its provenance instead:
the key that its job has now, and the checksums of what it read and wrote. What holds is taken over, so that nothing of it
runs again. What does not, and all that was made from it, is put aside under results/<study>/aside, with one line that says
why; it will run again. Ends with status 1 where something was put aside.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from carryover.runtime import files
from carryover.runtime.errors import BadInput
from carryover.runtime.redaction import redact
from tools.listing import ROOT, Listed, dry_run, run_snakemakes

LOCK = "config.lock.yaml"


class Results:
    """The jobs of a study in one copy of the project, and what is wrong with the results of each."""

    def __init__(self, directory: Path, jobs: Sequence[Listed]) -> None:
        self.directory = directory
        self.jobs = jobs
        self.maker = {path: job for job in jobs for path in job.outputs}
        self.wrong: dict[Listed, str] = {}
        for job in jobs:  # Snakemake lists a job after those that it depends on
            if self.present(job) and (reason := next(self._faults(job), "")):
                self.wrong[job] = reason

    def present(self, job: Listed) -> bool:
        """Whether anything that the job writes is here."""
        return any((self.directory / path).exists() for path in job.outputs)

    def held(self) -> list[Listed]:
        """The jobs whose results are here and are what the study asks for."""
        return [job for job in self.jobs if self.present(job) and job not in self.wrong]

    def _faults(self, job: Listed) -> Iterator[str]:
        record = self._record(job)
        if record is None:
            yield f"{job.provenance} is not there or not readable, so nobody knows how it was made"
            return
        yield from differences(record["key"], json.loads(redact(job.option("key"))))
        read = {redact(path): path for path in job.inputs}
        if other := sorted(set(record["inputs"]) ^ set(read)):
            yield f"it reads other files than it did: {other[0]}"
        for name, path in read.items():
            yield from self._input_faults(path, record["inputs"].get(name))
        for path in job.outputs:
            here = path != job.provenance and (self.directory / path).exists()
            if here and self.sha256(path) != record["outputs"].get(redact(path)):
                yield f"{path} is not the file that was written: its sha256 is another"

    def _input_faults(self, path: str, recorded: str | None) -> Iterator[str]:
        maker = self.maker.get(path)
        if maker in self.wrong:
            yield f"it was made from {path}, which does not hold"
        elif (self.directory / path).exists():
            if self.sha256(path) != recorded:
                yield f"it was made from another {path}: that file's sha256 is not the recorded one"
        elif maker is None:
            yield f"{path}, which it was made from, is not there"
        elif recorded not in self._accepted(maker, path):
            yield f"{path}, which it was made from, is not there, and no record says what it was"

    def _accepted(self, maker: Listed, path: str) -> set[str]:
        """The checksums that a file which is gone may have had: the recorded one; of a download, those that the study takes."""
        record = self._record(maker)
        if record is not None and not next(differences(record["key"], json.loads(redact(maker.option("key")))), ""):
            return {record["outputs"].get(redact(path))}
        locked = self.directory / LOCK
        known = (yaml.safe_load(locked.read_text(encoding="utf-8")) or {}) if locked.exists() else {}
        config = maker.key["config"]
        return {*config.get("sha256", []), known.get(config.get("path"))} if maker.rule == "fetch" else set()

    @cache  # noqa: B019 (lives as long as the results are looked at)
    def sha256(self, path: str) -> str:
        return files.sha256(self.directory / path)

    def _record(self, job: Listed) -> dict[str, Any] | None:
        try:
            record = json.loads((self.directory / job.provenance).read_text(encoding="utf-8"))
            return record if {"key", "inputs", "outputs"} <= set(record) else None
        except (OSError, ValueError):
            return None


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """In what a recorded key differs from the present one, the config's values first."""
    before, after = dict(_flat(recorded["config"])), dict(_flat(now["config"]))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"it was made with {name} {before.get(name)}, and the study says {after.get(name)}"
    if recorded["code"] != now["code"]:
        yield f"it was made by other code ({recorded['code']}, now {now['code']})"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}".lstrip("."))
    else:
        yield name, json.dumps(value, ensure_ascii=False)


def take_over(directory: Path, results: Results, options: Sequence[str]) -> None:
    """Tells Snakemake that what holds is up to date, and puts aside what does not."""
    for job in results.wrong:
        for path in job.outputs:
            if (directory / path).exists():
                aside = directory / _study(job, results) / "aside" / path
                aside.parent.mkdir(parents=True, exist_ok=True)
                (directory / path).replace(aside)
    targets = [path for job in results.held() for path in job.outputs if (directory / path).exists()]
    if targets:
        call = [*targets, "--touch", "--forceall", "--cores", "1", "--quiet", "all", *options]
        ((status, text),) = run_snakemakes(directory, [call])
        if status:
            raise BadInput(f"Snakemake cannot take the results over: {' '.join(text.split())[-600:]}")


def _study(job: Listed, results: Results) -> str:
    """The study's folder, that of the resolved config."""
    return next(str(Path(path).parent) for path in results.maker if path.endswith("/config.yaml"))


def main(options: Sequence[str], directory: Path = ROOT) -> int:
    results = Results(directory, dry_run(directory, ["--forceall", *options]))
    held = results.held()
    take_over(directory, results, options)
    for job, reason in results.wrong.items():
        print(f"put aside: {job.outputs[0]}: {reason}")
    absent = len(results.jobs) - len(held) - len(results.wrong)
    print(f"{len(results.jobs)} jobs: {len(held)} taken over, {len(results.wrong)} put aside, {absent} not here")
    return 1 if results.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as problem:
        sys.exit(f"error: {problem}")
