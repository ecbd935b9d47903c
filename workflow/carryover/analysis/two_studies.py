"""Two studies side by side: which values and which code differ, which answers, and how far the results do.

A difference that only the machine can have made is told from one of the studies: where the keys of every job behind an answer are
the same, and so are all files from outside, the same program ran on the same data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carryover.analysis.comparison import PAIRED, difference, judge_differences, measure
from carryover.analysis.predictions import Cell, Cells, paired
from carryover.analysis.records import read_json
from carryover.analysis.scores import Metrics
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import PROVENANCE, EvaluationSet, Layout, System, run_name

SAME, MACHINE, STUDY = "same answers", "machine", "study"  # where a difference of answers comes from
ASKED = [*System._fields, "task_asked", "view", "split", "language"]
CHANGED = ["system", *ASKED, "n", "changed", "largest", "origin"]
DIFFERENCES = [
    *("system", *ASKED, "metric", "value", "other_value", "difference", "difference_low", "difference_high", PAIRED),
    *("p_difference", "detectable", "finding", "n", "clusters", "origin"),
]


@dataclass
class Made:
    """How each file of a study was made. root: the study's folder; by_output: the provenance behind each file, by its path in
    that folder."""

    root: str
    by_output: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Path) -> Made:
        """Of the results in a folder, from the provenance of every job."""
        made = cls(f"results/{study.name}/")
        for path in sorted(study.rglob(f"*{PROVENANCE}")):
            record = read_json(path)
            made.by_output |= {name.removeprefix(made.root): record for name in record.get("outputs", {})}
        return made

    def inputs(self, path: str) -> dict[str, str]:
        """The checksums of what the job of a file read, by path: in the study's folder, or as it is elsewhere."""
        return {name.removeprefix(self.root): checksum for name, checksum in self.by_output[path]["inputs"].items()}


def alike(first: Made, second: Made, path: str, known: dict[str, bool] | None = None) -> bool:
    """Whether both studies made this file by the same keys all the way back, from the same files from outside."""
    known = {} if known is None else known
    if path not in known:
        ours, theirs = first.by_output.get(path), second.by_output.get(path)
        known[path] = ours is not None and theirs is not None and ours["key"] == theirs["key"]
        if known[path]:
            read, other = first.inputs(path), second.inputs(path)
            same = (read[name] == other[name] or alike(first, second, name, known) for name in read)
            known[path] = set(read) == set(other) and all(same)
    return known[path]


def settings_table(first: Mapping[str, Any], second: Mapping[str, Any]) -> pd.DataFrame:
    """The leaves of two resolved configs that differ, but the studies' names."""
    ours, theirs = dict(_leaves(first)), dict(_leaves(second))
    names = [name for name in {**ours, **theirs} if name != "study" and ours.get(name) != theirs.get(name)]
    rows = [{"leaf": name, "first": ours.get(name, "not there"), "second": theirs.get(name, "not there")} for name in names]
    return pd.DataFrame(rows, columns=["leaf", "first", "second"])


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Mappings are opened; lists are values."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}.{name}" if place else str(name))
    else:
        yield place, str(value)


def stages_table(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """By stage the jobs of both studies (tables as jobs.csv), those of one alone, and of how many code, settings or versions
    differ."""
    both = first.merge(second, on=["job", "stage"], how="outer", suffixes=("", "_other"), indicator=True)
    matched = both["_merge"] == "both"
    for name in ("code", "config", "packages"):
        both[f"other_{name}"] = matched & (both[name] != both[f"{name}_other"])
    both = both.assign(jobs=matched, only_first=both["_merge"] == "left_only", only_second=both["_merge"] == "right_only")
    columns = ["jobs", "only_first", "only_second", "other_code", "other_config", "other_packages"]
    return both.groupby("stage", sort=False)[columns].sum().reset_index()


def answers_table(first: Cells, second: Cells, ours: Made, theirs: Made) -> pd.DataFrame:
    """Of each evaluation set that both studies asked a system: the share of rows whose answer changed, the largest change of a
    candidate's log-probability (of a choice), and where it comes from. On the rows and the seeds that both have."""
    origins: dict[str, bool] = {}
    rows = []
    for key, mine, other in _pairs(first, second):
        system, asked = key
        largest = float(np.abs(mine.logp - other.logp).max()) if mine.labels or "logp_0" in mine.tables[0] else np.nan
        changed = float((mine.predicted != other.predicted).mean())
        made = all(alike(ours, theirs, _file(system, asked, seed), origins) for seed in mine.seeds)
        origin = SAME if not changed and not largest > 0 else MACHINE if made else STUDY
        rows.append(_named(system, asked) | {"n": len(mine), "changed": changed, "largest": largest, "origin": origin})
    return pd.DataFrame(rows, columns=CHANGED)


def differences_table(first: Cells, second: Cells, answers: pd.DataFrame, metrics: Metrics, settings: Settings) -> pd.DataFrame:
    """The first study's metric minus the second's on test rows that both have, paired; Holm over a system's languages.

    answers: of `answers_table`, which knows where a difference comes from.
    """
    origin = {tuple(row[name] for name in ("system", *ASKED)): row["origin"] for row in answers.to_dict("records")}
    families: dict[tuple[Any, ...], list[tuple[System, EvaluationSet, Cell, Cell]]] = {}
    for (system, asked), mine, other in _pairs(first, second):
        if asked.split == "test":
            families.setdefault((system, asked.task, asked.view), []).append((system, asked, mine, other))
    rows: list[dict[str, Any]] = []
    for (_, task, _), family in families.items():
        for name, metric in metrics.get(task, {}).items():
            judged = []
            for system, asked, mine, other in family:
                facts = _named(system, asked)
                row = facts | {"metric": name, "other_value": measure(other, metric, settings)["value"]}
                row |= measure(mine, metric, settings) | difference(mine, other, metric, settings, len(family))
                judged.append(row | {"origin": origin[tuple(facts.values())]})
            judge_differences(judged, settings, PAIRED)
            rows += judged
    return pd.DataFrame(rows, columns=DIFFERENCES)


def _pairs(first: Cells, second: Cells) -> Iterator[tuple[tuple[System, EvaluationSet], Cell, Cell]]:
    """What both studies asked, on the rows and the seeds that both have."""
    for key, mine in first.items():
        other = second.get(key)
        seeds = [seed for seed in mine.seeds if other is not None and seed in other.seeds]
        if other is None or not seeds or not np.isin(mine.id, other.id).any():
            continue
        yield key, *paired(_only(mine, seeds), _only(other, seeds))


def _only(cell: Cell, seeds: list[int]) -> Cell:
    places = [cell.seeds.index(seed) for seed in seeds]
    return Cell(cell.system, cell.evaluation_set, tuple(seeds), tuple(cell.tables[place] for place in places), cell.labels)


def _file(system: System, asked: EvaluationSet, seed: int) -> str:
    """Where the answers lie in a study's folder."""
    path = Layout("").prediction(run_name(system, seed), asked.task, asked.view, asked.language, asked.split)
    return path.removeprefix("/")


def _named(system: System, asked: EvaluationSet) -> dict[str, Any]:
    parts = {"task_asked": asked.task, "view": asked.view, "split": asked.split, "language": asked.language}
    return {"system": system.name, **system._asdict(), **parts}
