"""How a cell of a table is written, by its kind: the same in the page and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from carryover.reporting.formatting import MINUS, Words, duration, p_value, signed, significant, size, whole

Row = Mapping[str, Any]
Cell = tuple[str, Any]  # its text, and the value that it sorts by


def cell(row: Row, column: str, kind: str, words: Words) -> Cell:
    """A row's cell in this column, written as its kind is; empty where there is nothing."""
    return ("", "") if pd.isna(row[column]) else KINDS[kind](row, column, words)


def _accuracy(row: Row, column: str, words: Words) -> Cell:
    """An accuracy with its interval: `single_accuracy` with `single_low`, any other with `low`, where there is one."""
    start = column.removesuffix("accuracy")
    low, high = (f"{start}{end}" if f"{start}{end}" in row else end for end in ("low", "high"))
    if pd.isna(row.get(low)):
        return words.percent(row[column]), row[column]
    return f"{words.percent(row[column])} [{words.ends(row, low, high)}]", row[column]


def _language(row: Row, column: str, words: Words) -> Cell:
    code, name = row[column], words.language(row[column])
    return f"{name} ({code})" if name != code else code, name


def _difference(row: Row, column: str, words: Words) -> Cell:
    """A difference in points with its interval, whose ends are the columns of the same beginning."""
    start = column if f"{column}_low" in row else column.removesuffix("_difference")
    low, high = words.points(row[f"{start}_low"]), words.points(row[f"{start}_high"])
    return f"{words.points(row[column])} [{low} to {high}]", row[column]


def _offset(row: Row, column: str, words: Words) -> Cell:
    """A difference of numbers that are no percentages, with its interval."""
    start = column.removesuffix("_difference")
    ends = [signed(f"{row[f'{start}_{end}']:+.3f}") for end in ("low", "high")]
    return f"{signed(f'{row[column]:+.3f}')} [{ends[0]} to {ends[1]}]", row[column]


def _percent_interval(row: Row, column: str, words: Words) -> Cell:
    """A percentage with its interval, whose ends are the columns `<column>_low` and `<column>_high`."""
    return f"{words.percent(row[column])} [{words.ends(row, f'{column}_low', f'{column}_high')}]", row[column]


def _value(row: Row, column: str, words: Words) -> Cell:
    """A number of any unit with its interval in `low` and `high`, where there is one."""
    if pd.isna(row.get("low")):
        return significant(row[column]), row[column]
    return f"{significant(row[column])} [{significant(row['low'])} to {significant(row['high'])}]", row[column]


def _rho(row: Row, column: str, words: Words) -> Cell:
    return signed(f"{row[column]:.2f} [{row['low']:.2f} to {row['high']:.2f}]"), row[column]


def _measure(start: str) -> Callable[[Row, str, Words], Cell]:
    """A measure of the tokeniser, with its interval in `<column>_low`, or `<start>_low`, and in `_high` where there is one."""

    def write(row: Row, column: str, words: Words) -> Cell:
        begin = column if f"{column}_low" in row else start
        if pd.isna(row.get(f"{begin}_low")):
            return significant(row[column]), row[column]
        return f"{row[column]:.2f} [{row[f'{begin}_low']:.2f} to {row[f'{begin}_high']:.2f}]", row[column]

    return write


KINDS: dict[str, Callable[[Row, str, Words], Cell]] = {
    "text": lambda row, column, words: (str(row[column]), str(row[column])),
    "job": lambda row, column, words: (str(row[column]), str(row[column])),  # the row of a job, which other cells lead to
    "mark": lambda row, column, words: ("\N{BLACK CIRCLE}", 1),
    "passage": lambda row, column, words: (str(row[column]), str(row[column])),  # of any language and direction
    "numbers": lambda row, column, words: (re.sub(r"-(?=\d)", MINUS, row[column]), row[column]),  # text with numbers in it
    "yes": lambda row, column, words: ("yes" if row[column] else "no", int(row[column])),
    "language": _language,
    "count": lambda row, column, words: (whole(row[column]), row[column]),
    "number": lambda row, column, words: (significant(row[column]), row[column]),
    "plain": lambda row, column, words: (f"{row[column]:g}", row[column]),
    "percent": lambda row, column, words: (words.percent(row[column]), row[column]),
    "points": lambda row, column, words: (words.points(row[column]), row[column]),
    "p": lambda row, column, words: (p_value(row[column]), row[column]),
    "time": lambda row, column, words: (duration(row[column]), row[column]),
    "size": lambda row, column, words: (size(row[column]), row[column]),
    "accuracy": _accuracy,
    "difference": _difference,
    "offset": _offset,
    "percent_interval": _percent_interval,
    "value": _value,
    "rho": _rho,
    "per_word": _measure("word"),
    "premium": _measure("premium"),
}
NUMERIC = set(KINDS) - {"text", "job", "mark", "passage", "numbers", "language", "yes"}
