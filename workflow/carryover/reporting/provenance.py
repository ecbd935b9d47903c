"""From provenance files to the table of jobs, and from a cell of a table to the job that made it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.analysis.records import read_json
from carryover.planning.keys import canonical
from carryover.planning.paths import NOTHING, System, as_it_is, job_of_predictions, job_of_run, run_name
from carryover.reporting.formatting import Words, duration

Row = Mapping[str, Any]
JOB_COLUMNS = ["job", "stage", "code", "config", "started", "seconds", "peak_memory_mb", "device", "git_commit", "packages"]
COUNTED = ("examples", "tokens", "updates")  # what a training run counts, and the plan predicts


def jobs_table(paths: Iterable[Path], training: Iterable[Path], study: Path) -> pd.DataFrame:
    """One row a job from its provenance, named by its place in the study's folder.

    training: records of training runs, which know the device. `code` is the fingerprint of the job's program, `config` the
    first digits of a SHA-256 of its slice of the config.
    """
    devices = {str(path.parent): read_json(path).get("device") for path in training}
    rows = []
    for path in sorted(paths):
        facts = read_json(path)
        place = path.relative_to(study) if path.is_relative_to(study) else path
        name = str(place).removesuffix("provenance.json").rstrip("/.")
        digest = hashlib.sha256(canonical(facts["key"]["config"]).encode()).hexdigest()
        taken = {column: facts[column] for column in ("started", "seconds", "peak_memory_mb", "git_commit")}
        versions = ", ".join(f"{package} {version}" for package, version in facts["packages"].items() if version)
        row = {
            "job": name,
            "stage": name.split("/")[0],
            "code": facts["key"]["code"],
            "config": digest[:12],
            "packages": versions,
        }
        rows.append(row | taken | {"device": devices.get(str(path.parent))})
    return pd.DataFrame(rows, columns=JOB_COLUMNS)


def planned_table(plan: pd.DataFrame, jobs: pd.DataFrame, training: Iterable[Path], study: Path) -> pd.DataFrame:
    """What the plan predicted of each job and what the job spent.

    plan: job, stage, examples, tokens, updates, flops, estimated_seconds; jobs: as of `jobs_table`; training: the records of
    training runs, which counted examples, tokens and updates.
    """
    spent = [
        {"job": str(path.parent.relative_to(study))} | {f"spent_{name}": read_json(path).get(name) for name in COUNTED}
        for path in training
    ]
    spent = pd.DataFrame(spent, columns=["job", *(f"spent_{name}" for name in COUNTED)])
    table = plan.merge(jobs[["job", "seconds"]], on="job", how="left").merge(spent, on="job", how="left")
    return table.assign(ratio=table["seconds"] / table["estimated_seconds"].where(table["estimated_seconds"] > 0))


def planned_against_spent(planned: pd.DataFrame) -> tuple[int, float, float]:
    """Of the jobs that have an estimate above 0 and have run: how many they are, the seconds that the plan predicted for them
    together, and the seconds that they took. planned: as of `planned_table`."""
    if planned.empty:
        return 0, 0.0, 0.0
    known = planned[(planned["estimated_seconds"] > 0) & planned["seconds"].notna()]
    return len(known), float(known["estimated_seconds"].sum()), float(known["seconds"].sum())


def job_sentences(tables: Mapping[str, pd.DataFrame], words: Words) -> list[str]:
    """How many jobs there were, what they took, and what the plan had predicted."""
    jobs, planned = tables["jobs"], tables["planned"]
    on_gpu = jobs[jobs["device"].astype(str).str.startswith("cuda")]
    share = f"{duration(on_gpu['seconds'].sum())} of it on a GPU" if len(on_gpu) else "none of it on a GPU"
    said = [f"{len(jobs)} jobs took {duration(jobs['seconds'].sum())} together, {share}."]
    count, estimated, spent = planned_against_spent(planned)
    if count:
        said.append(
            f"The plan predicted {duration(estimated)} for the {count} jobs that it has an estimate for, which took "
            f"{duration(spent)}, {spent / estimated:.2f} times as long."
        )
    return said


def version_sentences(tables: Mapping[str, pd.DataFrame], words: Words) -> list[str]:
    """The versions of packages and the commits of this project that jobs ran with."""
    jobs = tables["jobs"]
    said = [f"Versions: {versions}." for versions in sorted(set(jobs["packages"]))]
    commits = sorted(set(jobs["git_commit"].dropna()))
    return said + ([f"Commit of this project: {', '.join(commits)}."] if commits else [])


def _run(row: Row) -> str | None:
    """The name of a row's run, of its lowest seed where it takes several together."""
    parts = [row.get(part) for part in System._fields]
    if any(pd.isna(part) for part in parts):
        return None
    system = as_it_is(row["model"]) if row["method"] == NOTHING else System(*map(str, parts))
    return run_name(system, int(row["seed"]) if pd.notna(row.get("seed")) else 0)


def _of_prediction(row: Row) -> list[str]:
    """The view that a row names, or the full one, or that of a model which sees the hypothesis alone."""
    run = _run(row)
    return [job_of_predictions(run, row["task"], view) for view in (row.get("view", "full"), "hypothesis")] if run else []


def _of_training(row: Row) -> list[str]:
    run = _run(row)
    return [job_of_run(run)] if run else []


def _of_text(stage: str) -> Callable[[Row], list[str]]:
    """The job that made the text of a row's language and split. stage: what stands before, such as `corpus/{task}`."""

    def jobs(row: Row) -> list[str]:
        return [f"{stage.format_map(row)}/{row['language']}.{'training' if row['split'] == 'train' else 'evaluation'}"]

    return jobs


# A column's `job` names one of these, or is itself the pattern of a job's name, such as `pretrained/{model}`.
JOBS: dict[str, Callable[[Row], list[str]]] = {
    "prediction": _of_prediction,
    "training": _of_training,
    "corpus": _of_text("corpus/{task}"),
    "tokens": _of_text("tokens/{tokenizer}/{task}/full"),
    "table": lambda row: [],
}


def made_by(job: str | None, row: Row, tables: str) -> list[str]:
    """Names of the jobs that a cell may come from, the likeliest first; none for what names a row or others published.

    job: the `job` of the cell's column; tables: the job that made its table, which stands for what names no other.
    """
    if job is None:
        return []
    if job not in JOBS:
        return [job.format_map(row)]
    found = JOBS[job](row)
    return found if job in ("corpus", "tokens") else [*found, tables]
