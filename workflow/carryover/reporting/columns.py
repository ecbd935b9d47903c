"""What a column of a table is: its heading, how its cells are written, which job made them, and whose figures it shows.

Columns of one name mean the same in every table; those of all chapters stand in `columns.yaml`, those of one chapter in its
`chapter.yaml`, where a table can also say what is special about a column of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from carryover.planning.yaml_files import read_yaml

DATA_FILES = ("columns.yaml",)


class Column(NamedTuple):
    """label: the heading; kind: a name of `cells.KINDS`; job: a name of `provenance.JOBS` or a pattern of a job's name, None
    for what no job made; published: whose figures, by their name in `report.published`, None for the study's own."""

    label: str
    kind: str
    job: str | None = None
    published: str | None = None


Columns = dict[str, Column]


@cache
def shared_columns() -> Columns:
    """The columns of every chapter."""
    (file,) = DATA_FILES
    declared = read_yaml(Path(__file__).with_name(file))
    return {name: Column(**facts) for name, facts in declared.items()}


def declared_columns(entries: list[str | dict[str, dict[str, Any]]], known: Mapping[str, Column]) -> Columns:
    """A table's columns in their order. An entry is the name of a known column, or a name with what it changes of it here.

    Raises KeyError with the name of a column that is not known, and TypeError for a new one without label or kind.
    """
    columns = {}
    for entry in entries:
        ((name, changed),) = entry.items() if isinstance(entry, dict) else [(entry, {})]
        columns[name] = known[name]._replace(**changed) if name in known or not changed else Column(**changed)
    return columns


def shown_columns(columns: Columns, published: Collection[str]) -> Columns:
    """The columns without published figures that the config leaves out. published: whose figures are shown.

    What is said of a published figure goes with it: its difference to ours, and whether the two can be compared.
    """
    hidden = {name for name, column in columns.items() if column.published and column.published not in published}
    if "published" in hidden:
        hidden.add("comparison")
    return {name: column for name, column in columns.items() if name not in hidden}
