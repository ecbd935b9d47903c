"""What a study costs before anything runs, and what of it is there: `python -m tools.plan [Snakemake's options]`.

Jobs by rule as Snakemake's own dry run counts them; examples, tokens, updates, operations and time as the DAG's job `plan`
estimates them, on every machine of data/throughput.csv. Where tokens were not counted yet, prompts are taken to be as long
as XNLI's under GPT-2's tokeniser (data/prompt_tokens.csv).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.analysis.records import read_csv, read_json
from carryover.planning import costs
from carryover.planning.workload import workload
from carryover.runtime.errors import BadInput
from tools.listing import ROOT, Listed, dry_run

GPT2_VOCABULARY = 50_257
TEXT = {"lines": 5_778, "text_bytes": 1_693_204}  # the pretraining text that the published config names
ON_GPU = ("pretrain", "finetune", "predict", "generate", "likelihood")  # the work that a GPU does


def sizes(directory: Path, study: Path) -> costs.Sizes:
    """What is known of the texts: what was counted in this study, and the prompts of XNLI elsewhere."""
    found = [path for path in sorted((directory / study).glob("tokens/*/*/*/*.json")) if "provenance" not in path.name]
    counted = {path.relative_to(directory / study).with_suffix("").as_posix(): read_json(path) for path in found}
    known = costs.counted_sizes(counted, **TEXT)
    prior = read_csv(directory / "data" / "prompt_tokens.csv")
    return costs.Sizes({**dict(zip(prior["language"], prior["mean_tokens"], strict=True)), **known.tokens}, known.rows, **TEXT)


def models_there(directory: Path, study: Path) -> dict[str, Any]:
    """The `config.json` of models from elsewhere that are here already, by name."""
    return {path.parent.name: read_json(path) for path in (directory / study).glob("pretrained/*/config.json")}


def by_rule(jobs: Sequence[Listed], waiting: set[str], rows: Mapping[str, dict], study: Path) -> pd.DataFrame:
    """One row a rule: its jobs, how many would run, and what these cost."""
    table = []
    for job in jobs:
        row = rows.get(job_name(job, study), {})
        runs = job.provenance in waiting
        amounts = {name: (row.get(name) or 0) * runs for name in costs.COLUMNS[2:]}
        table.append({"rule": job.family, "jobs": 1, "to run": int(runs), **amounts})
    return pd.DataFrame(table).groupby("rule", sort=False).sum()


def job_name(job: Listed, study: Path) -> str:
    """The place of a job in the study's folder, as jobs.csv names it."""
    return job.provenance.removeprefix(f"{study}/").removesuffix("provenance.json").rstrip("/.")


def hours(work: Mapping[str, Any], rows: Sequence[dict], runs: set[str]) -> tuple[float, float]:
    """Hours of the jobs that would run: of those that use a GPU, and of the others."""
    kinds = {job["job"]: job["work"] for job in work["jobs"]}
    spent = [0.0, 0.0]
    for row in rows:
        if row["job"] in runs:
            spent[kinds[row["job"]] not in ON_GPU] += row["estimated_seconds"] / 3600
    return spent[0], spent[1]


def shown(number: float) -> str:
    """A count as people write it, with a unit prefix from a million on."""
    for size, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if number >= size:
            return f"{number / size:.1f} {prefix}"
    return f"{number:,.0f}"


def main(options: Sequence[str], directory: Path = ROOT) -> int:
    jobs = dry_run(directory, ["--forceall", *options])
    waiting = {job.provenance for job in dry_run(directory, options)}
    (config,) = (job.key["config"]["resolved"] for job in jobs if job.rule == "config")
    study = Path("results") / config["study"]
    work = workload(config)
    entries = {model["tokenizer"]: GPT2_VOCABULARY for model in work["models"].values()} | work["vocabularies"]
    facts = costs.facts_by_model(work["models"], models_there(directory, study), entries)
    table = read_csv(directory / "data" / "throughput.csv")
    estimates = {
        machine: costs.estimate(work, facts, sizes(directory, study), costs.pace(table, machine))
        for machine in dict.fromkeys(table["machine"])
        if machine != "any"
    }
    rows = {row["job"]: row for row in estimates[config["plan"]["machine"]]}
    summary = by_rule(jobs, waiting, rows, study).drop(columns="estimated_seconds")
    text = summary.assign(**{name: summary[name].map(shown) for name in ("examples", "tokens", "updates", "flops")})
    print(f"study {config['study']}: {len(jobs)} jobs, {len(waiting)} to run, the others are there\n")
    print(text.to_string(), "\n")
    runs = {job_name(job, study) for job in jobs if job.provenance in waiting}
    for machine, estimated in estimates.items():
        busy, rest = hours(work, estimated, runs)
        print(f"{machine:>6}: {busy:8.1f} h of training, scoring and generating, {rest:.1f} h of the rest, one job at a time")
    needed = costs.disk(work, list(rows.values()), facts)
    free = shutil.disk_usage(directory).free
    print(
        f"\ndisk: {sum(needed.values()) / 1e9:.1f} GB ({', '.join(f'{k} {v / 1e9:.1f}' for k, v in needed.items())}),"
        f" {free / 1e9:.1f} GB free"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as problem:
        sys.exit(f"error: {problem}")
