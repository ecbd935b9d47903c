"""What the chapter's tables are made of: the study's predictions and training records, and what the stages before counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from carryover.analysis.likelihoods import exposure
from carryover.analysis.predictions import Cells
from carryover.analysis.scores import Metrics
from carryover.analysis.study import Study
from carryover.planning.paths import as_it_is


class Records(NamedTuple):
    """What stages wrote as JSON and CSV, one entry a file; pretraining and its curves by model, proposal None without one;
    taken_over: the facts of each model that was not pretrained here, by model."""

    corpus: list[dict[str, Any]]
    tokens: list[dict[str, Any]]
    parity: list[dict[str, Any]]
    proposal: dict[str, Any] | None
    generations: list[dict[str, Any]]
    pretraining: dict[str, dict[str, Any]]
    pretraining_curves: dict[str, pd.DataFrame]
    taken_over: dict[str, dict[str, Any]]
    finetuning_curves: pd.DataFrame


@dataclass(frozen=True)
class TransferStudy(Study):
    """The study, with the records of its stages, the metrics of each task, the script that each language is written in, and how
    likely systems find its sentences, where that was asked."""

    records: Records
    metrics: Metrics
    scripts: dict[str, str]
    likelihoods: Cells

    def exposure_of(self, model: str) -> dict[str, float]:
        """Bits per parallel sentence of the model as it is, by language; empty where it was not asked."""
        return exposure(self.likelihoods, as_it_is(model), self.languages, self.source)
