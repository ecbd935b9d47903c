"""What the chapter's tables are made of: the measures of every subject, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import NOTHING, System
from carryover.planning.subjects import RANDOM

AS_IT_IS, AT_RANDOM, TUNED = "as it is", "random weights", "fine-tuned"  # the states of a model
STATES = (AT_RANDOM, AS_IT_IS, TUNED)


@dataclass(frozen=True)
class Inside:
    """config: the rule's slice; representations: a row a subject, language, layer and measure; attention: a head too."""

    config: dict[str, Any]
    representations: pd.DataFrame
    attention: pd.DataFrame

    @property
    def settings(self) -> Settings:
        return Settings(self.config["confidence"], self.config["resamples"], self.config["seed"])

    @property
    def source(self) -> str:
        """The language that others are compared with."""
        return self.config["source_language"]


def state_of(system: System) -> str:
    """What a subject is of its model."""
    return AT_RANDOM if system.variant == RANDOM else AS_IT_IS if system.method == NOTHING else TUNED


def of_subjects(tables: Mapping[System, pd.DataFrame]) -> pd.DataFrame:
    """The tables of all subjects below each other, with the parts of the subject's name and its state in front."""
    named = []
    for system, table in tables.items():
        facts = system._asdict() | {"state": state_of(system)}
        named.append(pd.DataFrame(facts, index=table.index).join(table))
    return pd.concat(named, ignore_index=True)
