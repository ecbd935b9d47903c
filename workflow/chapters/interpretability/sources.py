"""What the chapter's tables are made of: the measures of every subject, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.analysis.predictions import Cells
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import NOTHING, RANDOM, System

AS_IT_IS, AT_RANDOM, TUNED = "as it is", "random weights", "fine-tuned"  # the states of a model
STATES = (AT_RANDOM, AS_IT_IS, TUNED)


@dataclass(frozen=True)
class Inside:
    """config: the rule's slice. Of every subject: representations and lens, a row a language, layer and measure; attention, a row
    a head too; sentences, a row a language; ablation, a row a language that was ablated and one that was asked. cells: answers of
    the fine-tuned subjects; scripts: of each language; claims, published: what was claimed, and the similarities that were
    published."""

    config: dict[str, Any]
    representations: pd.DataFrame
    attention: pd.DataFrame
    sentences: pd.DataFrame
    lens: pd.DataFrame
    ablation: pd.DataFrame
    cells: Cells
    scripts: dict[str, str]
    claims: pd.DataFrame
    published: pd.DataFrame

    @property
    def settings(self) -> Settings:
        return Settings(self.config["confidence"], self.config["resamples"], self.config["seed"])

    @property
    def source(self) -> str:
        """The language that others are compared with."""
        return self.config["source_language"]


def middle(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the hidden state in the middle of those that were kept, the later one of two; chosen before looking."""
    layers = sorted(table["layer"].unique())
    return table[table["layer"] == layers[len(layers) // 2]] if layers else table


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
