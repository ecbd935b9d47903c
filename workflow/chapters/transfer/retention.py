"""What of the source language's lead over chance is left in other languages, for every model that was trained on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from carryover.analysis.predictions import Cell, paired, resampled_accuracy
from carryover.analysis.study import ENGLISH, ZERO_SHOT, Study
from carryover.metrics.bootstrap import Settings, interval
from chapters.transfer.tables import RUN, facts, frame

SHARE = ["share", "share_low", "share_high"]


def retention(study: Study) -> pd.DataFrame:
    """The share of its English lead over chance that a model keeps in each other language, on the rows that both have.

    For the English model and the joint models that have seen English. No share is given where the lead itself is not
    clear of 0, or where the languages share no rows; `refused` says so.
    """
    table = []
    for backbone in study.backbones():
        among = study.joint_models(backbone)
        named = [(ZERO_SHOT, study.english(backbone)), *((study.joint_name(model, among), model) for model in among)]
        for regime, model in named:
            source = study.cell(model, ENGLISH)
            if model is None or source is None or ENGLISH not in study.trained_on(model.train):
                continue
            for language in study.languages:
                cell = study.cell(model, language)
                if language != ENGLISH and cell is not None:
                    row = facts(model, cell) | {"regime": regime, "language": language}
                    row |= {"seen": language in study.trained_on(model.train)}
                    table.append(row | kept(cell, source, study.settings))
    columns = [*RUN, "regime", "language", "seeds", "seen", "n", "accuracy", "source_accuracy", "lead", "source_lead"]
    return frame(table, [*columns, *SHARE, "refused"])


def kept(cell: Cell, source: Cell, settings: Settings) -> dict[str, Any]:
    """The lead of one language as a share of the source's: both of one model, paired by row, resampled by premise.

    A share is a ratio, whose interval means something only where its denominator is clear of 0.
    """
    if not len(np.intersect1d(cell.pair_id, source.pair_id)):
        return {"refused": "the test rows are not translations of each other"}
    cell, source = paired(cell, source)
    leads, source_leads = (resampled_accuracy(one, settings) - one.chance for one in (cell, source))
    lead, source_lead = (float(one.correct.mean()) - one.chance for one in (cell, source))
    row = {"n": len(cell.label), "accuracy": lead + cell.chance, "source_accuracy": source_lead + source.chance}
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
