"""From a model's answers to numbers that can be stated: an accuracy with what it carries, and a difference of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from carryover.analysis import statistics
from carryover.analysis.predictions import LABELS, Cell, paired, resampled_accuracy
from carryover.metrics.bootstrap import Settings, interval

ABOVE, NO_EVIDENCE, CONSTANT = "above chance", "no evidence above chance", "constant predictor"
HIGHER, LOWER, NO_DIFFERENCE = "higher", "lower", "no evidence of a difference"


def score(cell: Cell, settings: Settings) -> dict[str, Any]:
    """Accuracy over the three candidates with n, interval, the clustered test against chance, and the handout's metric.

    greedy_accuracy: the most probable token of the whole vocabulary is the gold label; invalid: it is no label at all.
    With several seeds everything is their mean, and the interval covers seeds and premises.
    """
    low, high = interval(resampled_accuracy(cell, settings), settings.confidence)
    constant = cell.constant()
    return {
        "n": len(cell.label),
        "premises": len(cell.rows),
        "accuracy": float(cell.correct.mean()),
        "low": low,
        "high": high,
        "chance": cell.chance,
        "p_chance": statistics.clustered_p(cell.sums.mean(axis=0), cell.rows, cell.chance),
        "greedy_accuracy": float((cell.greedy_label == cell.label).mean()),
        "invalid": float((cell.greedy_label < 0).mean()),
        "constant": None if constant is None else LABELS[constant],
    }


def judge(rows: list[dict[str, Any]], settings: Settings) -> None:
    """Corrects `p_chance` over one family of rows and adds `p_holm` and the verdict that follows from it."""
    for row, p in zip(rows, statistics.holm([row["p_chance"] for row in rows]), strict=True):
        row["p_holm"] = float(p)
        row["verdict"] = CONSTANT if row["constant"] else ABOVE if p < 1 - settings.confidence else NO_EVIDENCE


def compare(first: Cell, second: Cell, settings: Settings, comparisons: int) -> dict[str, Any]:
    """The first accuracy minus the second on the rows that both have, paired by premise.

    McNemar's exact test is of the lowest seed of each; comparisons: the size of the family that Holm's correction
    is over, for the smallest difference that a test could have seen.
    """
    first, second = paired(first, second)
    resampled = resampled_accuracy(first, settings) - resampled_accuracy(second, settings)
    low, high = interval(resampled, settings.confidence)
    p, only_first, only_second = statistics.mcnemar_p(first.correct[0], second.correct[0])
    return {
        "difference": float(first.correct.mean() - second.correct.mean()),
        "difference_low": low,
        "difference_high": high,
        "only_this": only_first,
        "only_other": only_second,
        "p_mcnemar": p,
        "detectable": statistics.smallest_detectable(resampled, settings.confidence, comparisons),
    }


def judge_differences(rows: list[dict[str, Any]], settings: Settings) -> None:
    """Corrects `p_mcnemar` over one family and adds `p_difference` (corrected) and `finding`.

    A difference is called one only where McNemar's test, which takes rows as independent, and the interval, which
    knows that they share premises, both say so.
    """
    for row, p in zip(rows, statistics.holm([row["p_mcnemar"] for row in rows]), strict=True):
        clear = p < 1 - settings.confidence and not row["difference_low"] <= 0 <= row["difference_high"]
        row["p_difference"] = float(p)
        row["finding"] = NO_DIFFERENCE if not clear else HIGHER if row["difference"] > 0 else LOWER


def calibrate(cell: Cell, dev: Cell | None, settings: Settings) -> dict[str, Any]:
    """Calibration of the first seed's answers, as they are and under the temperature fitted on the dev set."""
    before = statistics.calibration(cell.logp[0], cell.label, cell.premise, settings)
    temperature = statistics.fit_temperature(dev.logp[0], dev.label) if dev is not None else math.nan
    tempered = cell.logp[0] / np.float32(temperature)
    after = statistics.calibration(tempered, cell.label, cell.premise, settings) if dev is not None else None
    return {
        "n": len(cell.label),
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
