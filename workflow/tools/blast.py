"""The blast radius: what each leaf of the configuration runs again, by Snakemake's own dry runs: `python -m tools.blast`.

In a copy of the project in which the shipped studies, and the mini study with every chapter, seem to have run, each leaf is
changed to the value that the schema gives for this, and what would run is compared with what the schema declares. A leaf that
several studies have is tried in the first in which it matters. Writes the matrix of leaves by rules (data/blast_radius.csv),
and ends with status 1 where a leaf runs what does not depend on it, or not what does, or nothing in any study.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from carryover.planning.config import resolve
from carryover.planning.schema import load_schema
from carryover.runtime.errors import BadInput
from tools.leaves import Leaf, change, expand, leaves, schema_leaves
from tools.listing import ROOT, Listed, dry_run, dry_runs, prepare_forks, pretend_finished

MATRIX = ROOT / "data" / "blast_radius.csv"
MINI = "workflow/overlays/mini.yaml"
CHAPTERS = sorted(  # each chapter's small study on top of the mini one
    name
    for chapter in (ROOT / "workflow" / "chapters").iterdir()
    if (ROOT / (name := f"workflow/overlays/mini-{chapter.name}.yaml")).exists()
)
STUDIES = {"mini": [MINI], "sample": ["workflow/overlays/sample.yaml"], "published": [], "chapters": [MINI, *CHAPTERS]}
RECORD = "config"  # the rule that writes the resolved config down: every change runs it, and it alone is no effect
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "downloads", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Study:
    """A study that seems to have run: its name, the options that choose it, its resolved config, and its jobs by outputs."""

    name: str
    options: tuple[str, ...]
    config: dict[str, Any]
    jobs: dict[tuple[str, ...], Listed]


@dataclass(frozen=True)
class Trial:
    """What a changed leaf would run: the rules, the jobs for which there is no reason that can be seen, or why nothing can."""

    leaf: Leaf
    study: str
    rules: frozenset[str]
    unfounded: tuple[str, ...]
    refusal: str

    @property
    def matters(self) -> bool:
        return self.rules != {RECORD}


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """As Snakemake merges config files: mappings into mappings, everything else replaces."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def config_of(directory: Path, overlays: Sequence[str]) -> dict[str, Any]:
    """The resolved config of a study, before anything is changed."""
    config: dict[str, Any] = {}
    for name in ("config.yaml", *overlays):
        config = merge(config, yaml.safe_load((directory / name).read_text(encoding="utf-8")))
    return resolve(config, load_schema())


def finished(directory: Path, name: str) -> Study:
    """Makes a study seem finished in this copy of the project."""
    overlays = STUDIES[name]
    options = tuple(["--configfile", *overlays] if overlays else [])
    jobs = pretend_finished(directory, options)
    if left := dry_run(directory, options):
        raise BadInput(f"the finished study {name} would run {left[0].rule} again, unchanged: {left[0].reason}")
    return Study(name, options, config_of(directory, overlays), {job.outputs: job for job in jobs})


def try_leaves(directory: Path, study: Study, chosen: Sequence[Leaf]) -> Iterator[Trial]:
    """Changes each leaf in turn; what would run."""

    def questions() -> Iterator[list[str]]:
        for number, leaf in enumerate(chosen):
            overlay = directory / f"changed-{study.name}-{number}.yaml"
            overlay.write_text(yaml.safe_dump(change(study.config, leaf), allow_unicode=True), encoding="utf-8")
            yield [*(study.options or ["--configfile"]), str(overlay)]

    for leaf, answer in zip(chosen, dry_runs(directory, questions()), strict=True):
        jobs = [] if isinstance(answer, str) else answer
        refusal = answer if isinstance(answer, str) else ""
        yield Trial(leaf, study.name, frozenset(job.family for job in jobs), tuple(unfounded(jobs, study.jobs)), refusal)


def unfounded(jobs: Sequence[Listed], before: dict[tuple[str, ...], Listed]) -> Iterator[str]:
    """The outputs of jobs that would run although they are as before and nothing that they read is made again."""
    made = {path for job in jobs for path in job.outputs}
    for job in jobs:
        old = before.get(job.outputs)
        if old and (job.key, job.inputs) == (old.key, old.inputs) and not made & set(job.inputs):
            yield job.outputs[0]


def blast(directory: Path, names: Sequence[str] = tuple(STUDIES), only: str = "") -> tuple[list[Trial], dict[str, Study]]:
    """The trial of every leaf, in the first study in which it matters; `only` takes the leaves with this in their names."""
    prepare_forks(directory)
    schema, trials, studies = load_schema(), {}, {}
    for name in names:
        study = studies[name] = finished(directory, name)
        chosen = [leaf for leaf in leaves(study.config, schema) if only in leaf.name and leaf.declared]
        # Runs have no names, only places in a list: those of the first study stand for all.
        first = not trials
        chosen = [
            leaf
            for leaf in chosen
            if first
            or (leaf.name in trials and not trials[leaf.name].matters and leaf.declared != (RECORD,))
            or (leaf.name not in trials and not any(isinstance(part, int) for part in leaf.path))
        ]
        for trial in try_leaves(directory, study, chosen):
            if trial.matters or trial.leaf.name not in trials:
                trials[trial.leaf.name] = trial
    return list(trials.values()), studies


def complaints(trials: Sequence[Trial], studies: Mapping[str, Study]) -> Iterator[str]:
    """What is not as the schema declares it. What is declared must run in a study that has the rule."""
    radius = load_schema()["x-radius"]
    ran: dict[str, set[str]] = {}
    there: dict[str, set[str]] = {}
    for trial in trials:
        allowed = expand(trial.leaf.allowed, radius)
        there.setdefault(trial.leaf.place, set()).update(job.family for job in studies[trial.study].jobs.values())
        if trial.refusal:
            yield f"{trial.leaf.name} ({trial.study}): {trial.refusal}"
        if beyond := trial.rules - allowed:
            yield f"{trial.leaf.name} ({trial.study}): runs {', '.join(sorted(beyond))}, which the schema does not declare"
        for job in trial.unfounded:
            yield f"{trial.leaf.name} ({trial.study}): runs the job of {job}, which is as it was"
        ran.setdefault(trial.leaf.place, set()).update(trial.rules)
    for place, found in ran.items():
        declared = next(expand(trial.leaf.declared, radius) for trial in trials if trial.leaf.place == place)
        if found == {RECORD} != declared:
            yield f"{place}: changes nothing in any shipped study"
        elif missing := (declared & there[place]) - found:
            yield f"{place}: does not run {', '.join(sorted(missing))}, which the schema declares"


def matrix(trials: Sequence[Trial], rules: Sequence[str]) -> str:
    """The matrix as CSV: a row a leaf, a column a rule, 1 where changing the leaf runs the rule."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["leaf", *rules])
    places = [place for place, _, _ in schema_leaves(load_schema())]  # rows in the order of the schema, within a place by name
    for trial in sorted(trials, key=lambda trial: (places.index(trial.leaf.place), trial.leaf.name)):
        writer.writerow([trial.leaf.name, *("1" if rule in trial.rules else "" for rule in rules)])
    return text.getvalue()


def column_order(studies: Sequence[Study]) -> list[str]:
    """The rules of all studies, in the order of the schema's widest radius, which is that of the stages."""
    known = load_schema()["x-radius"]["everything"]
    found = {job.family for study in studies for job in study.jobs.values()}
    return [*(rule for rule in known if rule in found), *sorted(found - set(known))]


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        directory = shutil.copytree(ROOT, Path(place) / "carryover", ignore=LEFT_OUT)
        trials, studies = blast(directory)
    rules = column_order(list(studies.values()))
    wrong = list(complaints(trials, studies))
    MATRIX.write_text(matrix(trials, rules), encoding="utf-8")
    for line in wrong:
        print(line)
    print(f"{len(trials)} leaves of {len(studies)} studies in {time.monotonic() - started:.0f} s: {len(wrong)} complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadInput as problem:
        sys.exit(f"error: {problem}")
