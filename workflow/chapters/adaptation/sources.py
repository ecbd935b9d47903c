"""What the chapter's tables are made of: answers, training records and likelihoods of the systems that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.analysis.predictions import Cell, Cells
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import NOTHING, EvaluationSet, System


@dataclass(frozen=True)
class Adaptation:
    """config: the rule's slice; cells: answers; training: the record of each run; likelihoods: of sentences of the source
    language, by systems and by models as they are; fertility: by tokeniser and language; scripts: of each language; claims: what
    was published."""

    config: dict[str, Any]
    cells: Cells
    training: dict[tuple[System, int], dict[str, Any]]
    likelihoods: Cells
    fertility: pd.DataFrame
    scripts: dict[str, str]
    claims: pd.DataFrame

    @property
    def settings(self) -> Settings:
        return Settings(self.config["confidence"], self.config["resamples"], self.config["seed"])

    @property
    def source(self) -> str:
        return self.config["source_language"]

    def systems(self) -> list[System]:
        """What was trained on the source language of the task and is compared: by model, the reference first."""
        asked = {system for system, asked in self.cells if asked == self._asked(asked.language) and system.method != NOTHING}
        chosen = [system for system in asked if (system.task, system.train) == (self.config["task"], self.source)]
        wanted = self.config["variants"]
        kept = [system for system in chosen if wanted is None or system.variant in (*wanted, self.config["reference"])]
        return sorted(kept, key=lambda system: (system.model, system.variant != self.config["reference"], system))

    def reference(self, system: System) -> System | None:
        """The system of the same model that others are compared with; None for that one, and where there is none."""
        found = [one for one in self.systems() if (one.model, one.variant) == (system.model, self.config["reference"])]
        return found[0] if found and found[0] != system else None

    def cell(self, system: System | None, language: str) -> Cell | None:
        """The answers of a system to the test of a language, if it was asked."""
        return self.cells.get((system, self._asked(language))) if system else None

    def asked(self, system: System) -> list[str]:
        """The languages that a system was asked, in the study's order."""
        return [language for language in self.config["languages"] if self.cell(system, language) is not None]

    def records(self, system: System) -> list[dict[str, Any]]:
        """The training records of all seeds, in their order."""
        return [record for (one, _), record in sorted(self.training.items()) if one == system]

    def premium(self, model: str, language: str) -> float:
        """Tokens for the same sentences as the source language's, by the model's tokeniser; NaN where that was not counted."""
        table = self.fertility
        rows = table[(table["tokenizer"] == self.config["tokenizers"][model]) & (table["text"] == "dev")]
        found = rows[rows["language"] == language]["token_premium"]
        return float(found.iloc[0]) if len(found) else float("nan")

    def _asked(self, language: str) -> EvaluationSet:
        return EvaluationSet(self.config["task"], "full", "test", language)
