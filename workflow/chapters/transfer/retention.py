"""What of the source language's lead over chance is left in other languages, for every model that was trained on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from carryover.analysis.predictions import Cell, paired, resampled
from carryover.analysis.study import ZERO_SHOT, Study
from carryover.metrics import accuracy
from carryover.metrics.bootstrap import Settings, interval
from chapters.transfer.tables import RUN, facts, frame

SHARE = ["share", "share_low", "share_high"]


def retention(study: Study) -> pd.DataFrame:
    """The share of a model's lead over chance in the source language that it keeps in each other, on the rows that both have.

    For the source language's own system and the joint ones that have seen it. No share is given where the lead itself is not
    clear of 0, or where the languages share no rows; `refused` says so.
    """
    table = []
    for group in study.groups():
        among = study.joint_systems(group)
        named = [(ZERO_SHOT, study.zero_shot(group)), *((study.joint_name(system, among), system) for system in among)]
        for regime, system in named:
            source = study.cell(system, study.source)
            if system is None or source is None or study.source not in study.trained_on(system.train):
                continue
            for language in study.languages:
                cell = study.cell(system, language)
                if language != study.source and cell is not None:
                    row = facts(system, cell) | {"regime": regime, "language": language}
                    row |= {"seen": language in study.trained_on(system.train)}
                    table.append(row | kept(cell, source, study.settings))
    columns = [*RUN, "regime", "language", "seeds", "seen", "n", "accuracy", "source_accuracy", "lead", "source_lead"]
    return frame(table, [*columns, *SHARE, "refused"])


def kept(cell: Cell, source: Cell, settings: Settings) -> dict[str, Any]:
    """The lead of one language as a share of the source's: both of one model, paired by row, resampled by cluster.

    A share is a ratio, whose interval means something only where its denominator is clear of 0.
    """
    if not len(np.intersect1d(cell.id, source.id)):
        return {"refused": "the test rows are not translations of each other"}
    cell, source = paired(cell, source)
    leads, source_leads = (resampled(one, accuracy, settings) - one.chance for one in (cell, source))
    lead, source_lead = (float(one.correct.mean()) - one.chance for one in (cell, source))
    row = {"n": len(cell), "accuracy": lead + cell.chance, "source_accuracy": source_lead + source.chance}
    row |= {"lead": lead, "source_lead": source_lead}
    if interval(source_leads, settings.confidence)[0] <= 0:
        return row | {"refused": "the lead over chance in the source language is not clear of 0"}
    low, high = ratio_interval(leads, source_leads, settings.confidence)
    return row | {"share": lead / source_lead, "share_low": low, "share_high": high}


def ratio_interval(above: np.ndarray, below: np.ndarray, confidence: float) -> tuple[float, float]:
    """The percentile interval of a ratio of paired resamples [R], the lower of which are clear of 0.

    The few resamples with a denominator of 0 or less are past the end that their numerator points to, so they count as
    infinite there; they are too few to be the end of the interval.
    """
    ratio = np.divide(above, below, out=np.copysign(np.inf, above), where=below > 0)
    low, high = np.quantile(ratio, [(1 - confidence) / 2, (1 + confidence) / 2], method="nearest")
    return float(low), float(high)
