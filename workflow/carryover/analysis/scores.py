"""Every metric of every task in two tables: each file of predictions, and each system against the one that it departs from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from carryover.analysis.comparison import PAIRED, difference, judge_differences, measure
from carryover.analysis.predictions import Cell, Cells, Metric
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import EvaluationSet, System

Metrics = Mapping[str, Mapping[str, Metric]]  # of each task, by name
SYSTEM = ["model", "method", "variant", "train"]
ASKED = list(EvaluationSet._fields)
SCORES = ["system", *SYSTEM, "seed", *ASKED, "metric", "value", "low", "high", "n", "clusters"]
DIFFERENCES = [
    *("system", *SYSTEM, "seeds", *ASKED, "metric", "other", "value", "low", "high", "other_value"),
    *("difference", "difference_low", "difference_high", PAIRED, "p_difference", "detectable", "finding", "n", "clusters"),
]


def score_table(cells: Cells, metrics: Metrics, settings: Settings) -> pd.DataFrame:
    """A row for each file of predictions and metric of its task; `train` and `method` are of the system, `task` of the file."""
    rows = []
    for cell in cells.values():
        for place, seed in enumerate(cell.seeds):
            one = cell.one_seed(place)
            for name, metric in metrics[cell.evaluation_set.task].items():
                rows.append(_facts(cell) | {"seed": seed, "metric": name} | measure(one, metric, settings))
    return pd.DataFrame(rows, columns=SCORES)


def difference_table(
    cells: Cells, metrics: Metrics, reference: Callable[[System], System | None], settings: Settings
) -> pd.DataFrame:
    """Each system minus its reference on the same evaluation set, all seeds together. Holm over the languages of a pair."""
    families: dict[tuple[Any, ...], list[tuple[Cell, Cell]]] = {}
    for (system, asked), cell in cells.items():
        other = cells.get((other_system, asked)) if (other_system := reference(system)) else None
        if other is not None:
            families.setdefault((system, asked.task, asked.view, asked.split), []).append((cell, other))
    rows: list[dict[str, Any]] = []
    for (_, task, *_), pairs in families.items():
        for name, metric in metrics[task].items():
            family = [_difference(first, second, name, metric, settings, len(pairs)) for first, second in pairs]
            judge_differences(family, settings, PAIRED)
            rows += family
    return pd.DataFrame(rows, columns=DIFFERENCES)


def _difference(first: Cell, second: Cell, name: str, metric: Metric, settings: Settings, comparisons: int) -> dict[str, Any]:
    other = {"other": second.system.name, "other_value": measure(second, metric, settings)["value"], "metric": name}
    row = _facts(first) | {"seeds": len(first.seeds)} | other | measure(first, metric, settings)
    return row | difference(first, second, metric, settings, comparisons)


def _facts(cell: Cell) -> dict[str, Any]:
    system = cell.system
    return {"system": system.name, **{name: getattr(system, name) for name in SYSTEM}, **cell.evaluation_set._asdict()}
