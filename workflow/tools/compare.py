"""Two finished studies side by side: `python -m tools.compare results/one results/two`, or one before and after a change.

Writes a page like the report, and its tables, to results/compare/<one>-<two>.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from carryover.analysis import two_studies
from carryover.analysis.comparison import NO_DIFFERENCE
from carryover.analysis.predictions import Cells, read_cells
from carryover.analysis.records import read_csv
from carryover.metrics.bootstrap import Settings
from carryover.planning import runs
from carryover.reporting import page
from carryover.reporting.chapter_tables import csv
from carryover.reporting.chapters import read_chapter
from carryover.reporting.formatting import SPACE, Words, listing, number_of
from carryover.reporting.phrases import Tables
from carryover.runtime import files, parts
from carryover.runtime.errors import BadInput
from tools.listing import ROOT

NEEDED = ("config.yaml", "jobs.csv", "report.html")


def read_config(study: Path) -> dict[str, Any]:
    """The resolved config of a finished study. Raises BadInput where it is none."""
    if missing := [name for name in NEEDED if not (study / name).exists()]:
        raise BadInput(f"{study}: no finished study ({missing[0]} is not there); run it to its end first")
    return dict(yaml.safe_load((study / "config.yaml").read_text(encoding="utf-8")))


def read_answers(study: Path, config: Mapping[str, Any]) -> Cells:
    """Every answer of a study."""
    labels = {task: tuple(runs.labels_of(task)) for task in config["tasks"]}
    return read_cells(sorted(study.glob("predictions/**/*.parquet")), config["languages"], labels)


def compare(first: Path, second: Path) -> dict[str, pd.DataFrame]:
    """The tables of two studies' folders. Raises BadInput where one is not finished, or they have no answer in common."""
    ours, theirs = read_config(first), read_config(second)
    mine, other = read_answers(first, ours), read_answers(second, theirs)
    metrics = {task: parts.load({"metrics": runs.metrics_of(ours, task)}) for task in runs.tasks_in_use(ours)}
    named = {task: {name.removeprefix("metrics."): module for name, module in found.items()} for task, found in metrics.items()}
    settings = Settings(ours["report"]["confidence"], ours["statistics"]["resamples"], ours["statistics"]["seed"])
    answers = two_studies.answers_table(mine, other, two_studies.Made.of(first), two_studies.Made.of(second))
    if answers.empty:
        raise BadInput(f"{first} and {second}: no system was asked the same rows in both; runs are matched by their names")
    return {
        "settings": two_studies.settings_table(ours, theirs),
        "stages": two_studies.stages_table(read_csv(first / "jobs.csv"), read_csv(second / "jobs.csv")),
        "answers": answers,
        "differences": two_studies.differences_table(mine, other, answers, named, settings),
    }


def values(tables: Tables, words: Words) -> list[str]:
    """How many values differ, and which."""
    leaves = list(tables["settings"]["leaf"])
    if not leaves:
        return ["The two configurations are the same but for their names."]
    told = listing(leaves[:5]) if len(leaves) <= 5 else f"{', '.join(leaves[:5])} and {number_of(len(leaves) - 5, 'more')}"
    return [f"{number_of(len(leaves), 'value')} of the configuration {'differs' if len(leaves) == 1 else 'differ'}: {told}."]


def code(tables: Tables, words: Words) -> list[str]:
    """In which stages the code or the versions differ."""
    stages = tables["stages"]
    said = []
    for column, name in (("other_code", "code"), ("other_packages", "versions of packages")):
        found = list(stages[stages[column] > 0]["stage"])
        said.append(f"Other {name}: {listing(found)}." if found else f"No common job has other {name}.")
    return said


def drift(tables: Tables, words: Words) -> list[str]:
    """What only the machine can have changed, told from what the studies changed."""
    answers = tables["answers"]
    by_origin = {name: answers[answers["origin"] == name] for name in (two_studies.SAME, two_studies.MACHINE, two_studies.STUDY)}
    same, machine, study = by_origin.values()
    said = [f"Both studies have {number_of(len(answers), 'set')} of answers; {len(same)} of them are the same to the last bit."]
    if len(machine):
        most = f"at most {words.percent(machine['changed'].max())} of the answers changed"
        moved = f"a log-probability moved by at most {machine['largest'].max():.2g}{SPACE}nats"
        said.append(f"In {len(machine)} only the machine differs: {most}, and {moved}.")
    if len(study):
        most = f"at most {words.percent(study['changed'].max())} of the answers changed"
        said.append(f"In {len(study)} the studies differ: {most}.")
    return said


def results(tables: Tables, words: Words) -> list[str]:
    """How many results differ, as the paired test has it."""
    table = tables["differences"]
    clear = table[table["finding"] != NO_DIFFERENCE]
    if clear.empty:
        return [f"None of {number_of(len(table), 'result')} on test text differs demonstrably."]
    largest = clear.loc[clear["difference"].abs().idxmax()]
    where = f"{largest['system']} in {words.language(largest['language'])}"
    low, high = (words.points(largest[f"difference_{end}"]) for end in ("low", "high"))
    return [
        f"{len(clear)} of {number_of(len(table), 'result')} on test text differ demonstrably; the largest difference is "
        f"{words.points(largest['difference'])} points [{low} to {high}], of {where}."
    ]


def write(first: Path, second: Path, target: Path) -> None:
    """The page and the tables of a comparison, each whole, in a folder."""
    tables = compare(first, second)
    known = read_csv(ROOT / "data" / "languages.csv")
    config = read_config(first)
    names = dict(zip(known["language"], known["name"], strict=True))
    words = Words(names, config["report"]["digits"], config["report"]["confidence"], config["source_language"])
    declared = read_chapter(Path(__file__).with_suffix(".yaml"))
    said = {f"compare.{function.__name__}": function for function in (values, code, drift, results)}
    shown = page.Shown(words, set(), [], config["statistics"]["resamples"])
    view = page.chapter_view(1, declared.filled(words.filled), page.Made(tables, said, {}, {}), shown)
    rendered = page.render(
        sorted((ROOT / "report").glob("*.*")),
        title=f"{first.name} against {second.name}",
        study=first.name,
        against=second.name,
        source=words.source_name,
        languages=len(config["languages"]),
        chapters=[view],
    )
    target.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        files.write_text(target / f"{name}.csv", csv(table))
    files.write_text(target / "index.html", rendered)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("error: two folders are needed, such as results/one results/two")
    one, two = (Path(argument) for argument in sys.argv[1:])
    place = Path("results") / "compare" / f"{one.name}-{two.name}"
    try:
        write(one, two, place)
    except BadInput as problem:
        sys.exit(f"error: {problem}")
    print(f"page: {place / 'index.html'}")
