"""Which rows of a table belong together: those of one model and, where a model was trained by several methods, one method."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from carryover.planning.paths import NOTHING


class Group(NamedTuple):
    """method: None where the model has one alone."""

    model: str
    method: str | None

    @property
    def name(self) -> str:
        return self.model if self.method is None else f"{self.model}, {self.method}"


def groups_of(table: pd.DataFrame) -> list[Group]:
    """The groups of a table, by name; a model as it is belongs to all groups of its model."""
    found = []
    for model in sorted(table["model"].unique()):
        methods = sorted(set(table.loc[table["model"] == model, "method"]) - {NOTHING}) if "method" in table else []
        found += [Group(model, method) for method in methods] if len(methods) > 1 else [Group(model, None)]
    return found


def rows_of(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    """The rows of a group; of a table that tells no models apart, or no methods, all."""
    if "model" in table:
        table = table[table["model"] == group.model]
    if "method" in table and group.method is not None:
        table = table[table["method"].isin([group.method, NOTHING])]
    return table


def split(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each group's name and rows."""
    return [(group.name, rows_of(table, group)) for group in groups_of(table)]
