"""Every metric of every task that the study's systems were asked, not of the chapter's task alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from carryover.analysis.comparison import PAIRED, difference, judge_differences, measure
from carryover.analysis.likelihoods import METRICS
from carryover.analysis.scores import difference_table, score_table
from carryover.planning.paths import System, as_it_is
from chapters.transfer.sources import TransferStudy

LIKELIHOOD = [
    *(*System._fields, "seeds", "language", "metric", "value", "low", "high", "n", "clusters"),
    *("difference", "difference_low", "difference_high", PAIRED, "p_difference", "detectable", "finding"),
]


def scores(study: TransferStudy) -> pd.DataFrame:
    """Each file of predictions by each metric of its task, with its interval."""
    return score_table(study.cells, study.metrics, study.settings)


def score_differences(study: TransferStudy) -> pd.DataFrame:
    """Each trained system minus the one that it departs from: the primary variant's, or the model as it is."""
    return difference_table(study.cells, study.metrics, study.reference, study.settings)


def likelihood(study: TransferStudy) -> pd.DataFrame:
    """How likely each system finds the sentences of dev, in bits; of a trained one also what it lost against its model as it is.

    The difference is what tuning forgot: on the same sentences, Holm over the systems of a model. Lower is better.
    """
    rows: list[dict[str, Any]] = []
    families: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    tuned = {system for system, _ in study.likelihoods if system != as_it_is(system.model)}
    for (system, asked), cell in study.likelihoods.items():
        before = study.likelihoods.get((as_it_is(system.model), asked)) if system in tuned else None
        for name, metric in METRICS.items():
            row = system._asdict() | {"seeds": len(cell.seeds), "language": asked.language, "metric": name}
            row |= measure(cell, metric, study.settings)
            if before is not None:
                row |= difference(cell, before, metric, study.settings, sum(other.model == system.model for other in tuned))
                families.setdefault((system.model, asked.language, name), []).append(row)
            rows.append(row)
    for family in families.values():
        judge_differences(family, study.settings, PAIRED)
    return pd.DataFrame(rows, columns=LIKELIHOOD).astype(dict.fromkeys(("seeds", "n", "clusters"), "Int64"))
