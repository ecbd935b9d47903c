"""Every metric of every task that the study's systems were asked, not of the chapter's task alone."""

from __future__ import annotations

import pandas as pd

from carryover.analysis.scores import difference_table, score_table
from chapters.transfer.sources import TransferStudy


def scores(study: TransferStudy) -> pd.DataFrame:
    """Each file of predictions by each metric of its task, with its interval."""
    return score_table(study.cells, study.metrics, study.settings)


def score_differences(study: TransferStudy) -> pd.DataFrame:
    """Each trained system minus the one that it departs from: the primary variant's, or the model as it is."""
    return difference_table(study.cells, study.metrics, study.reference, study.settings)
