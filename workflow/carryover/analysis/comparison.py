"""From a system's answers to numbers that can be stated: a score with what it carries, and a difference of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from carryover.analysis import statistics
from carryover.analysis.predictions import Cell, Metric, paired, resampled, sums, values
from carryover.metrics import accuracy
from carryover.metrics.bootstrap import Settings, interval, paired_p

ABOVE, NO_EVIDENCE, CONSTANT = "above chance", "no evidence above chance", "constant predictor"
HIGHER, LOWER, NO_DIFFERENCE = "higher", "lower", "no evidence of a difference"
MCNEMAR, PAIRED = "p_mcnemar", "p_paired"  # the test of a difference: of two accuracies, and of any metric


def measure(cell: Cell, metric: Metric, settings: Settings) -> dict[str, Any]:
    """A metric with its interval, the rows and the clusters. Of several seeds their mean, over seeds and clusters."""
    low, high = interval(resampled(cell, metric, settings), settings.confidence)
    value = float(values(cell, metric).mean())
    return {"n": len(cell), "clusters": cell.clusters, "value": value, "low": low, "high": high}


def score(cell: Cell, settings: Settings) -> dict[str, Any]:
    """Accuracy over the candidates with n, interval, the clustered test against chance, and the handout's metric.

    greedy_accuracy: the most probable token of the whole vocabulary is the right candidate; invalid: it is no candidate at
    all. With several seeds everything is their mean, and the interval covers seeds and clusters.
    """
    measured = measure(cell, accuracy, settings)
    correct, rows = np.moveaxis(sums(cell, accuracy).mean(axis=0), -1, 0)
    greedy = cell.stacked("greedy_label")
    return {
        **{name: measured[name] for name in ("n", "clusters", "low", "high")},
        "accuracy": measured["value"],
        "chance": cell.chance,
        "p_chance": statistics.clustered_p(correct, rows, cell.chance),
        "greedy_accuracy": float((greedy == cell.target).mean()),
        "invalid": float((greedy < 0).mean()),
        "constant": cell.constant(),
    }


def judge(rows: list[dict[str, Any]], settings: Settings) -> None:
    """Corrects `p_chance` over one family of rows and adds `p_holm` and the verdict that follows from it."""
    for row, p in zip(rows, statistics.holm([row["p_chance"] for row in rows]), strict=True):
        row["p_holm"] = float(p)
        row["verdict"] = CONSTANT if row["constant"] else ABOVE if p < 1 - settings.confidence else NO_EVIDENCE


def difference(first: Cell, second: Cell, metric: Metric, settings: Settings, comparisons: int) -> dict[str, Any]:
    """The first system's metric minus the second's on the rows that both have, paired by cluster, with the bootstrap's p.

    comparisons: the size of the family that Holm's correction is over, for the smallest difference that a test could have
    seen.
    """
    first, second = paired(first, second)
    drawn = resampled(first, metric, settings) - resampled(second, metric, settings)
    low, high = interval(drawn, settings.confidence)
    found = float(values(first, metric).mean() - values(second, metric).mean())
    return {
        "difference": found,
        "difference_low": low,
        "difference_high": high,
        PAIRED: paired_p(found, drawn),
        "detectable": statistics.smallest_detectable(drawn, settings.confidence, comparisons),
    }


def compare(first: Cell, second: Cell, settings: Settings, comparisons: int) -> dict[str, Any]:
    """The difference of two accuracies, with McNemar's exact test of the lowest seed of each. comparisons: as `difference`."""
    first, second = paired(first, second)
    p, only_first, only_second = statistics.mcnemar_p(first.correct[0], second.correct[0])
    tested = {"only_this": only_first, "only_other": only_second, MCNEMAR: p}
    return difference(first, second, accuracy, settings, comparisons) | tested


def judge_differences(rows: list[dict[str, Any]], settings: Settings, test: str = MCNEMAR) -> None:
    """Corrects the p of a test over one family and adds `p_difference` (corrected) and `finding`.

    A difference is called one only where the test and the interval both say so: McNemar's takes rows as independent, and
    the interval knows that they come in clusters.
    """
    for row, p in zip(rows, statistics.holm([row[test] for row in rows]), strict=True):
        clear = p < 1 - settings.confidence and not row["difference_low"] <= 0 <= row["difference_high"]
        row["p_difference"] = float(p)
        row["finding"] = NO_DIFFERENCE if not clear else HIGHER if row["difference"] > 0 else LOWER


def calibrate(cell: Cell, dev: Cell | None, settings: Settings) -> dict[str, Any]:
    """Calibration of the first seed's answers, as they are and under the temperature fitted on the dev set."""
    before = statistics.calibration(cell.logp[0], cell.target, cell.cluster, settings)
    temperature = statistics.fit_temperature(dev.logp[0], dev.target) if dev is not None else math.nan
    tempered = cell.logp[0] / np.float32(temperature)
    after = statistics.calibration(tempered, cell.target, cell.cluster, settings) if dev is not None else None
    return {
        "n": len(cell),
        "ece": before.error,
        "ece_low": before.low,
        "ece_high": before.high,
        "nll": before.nll,
        "temperature": temperature,
        "ece_tempered": after.error if after else math.nan,
        "ece_tempered_low": after.low if after else math.nan,
        "ece_tempered_high": after.high if after else math.nan,
        "nll_tempered": after.nll if after else math.nan,
    }
