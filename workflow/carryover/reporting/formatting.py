"""Numbers as text: one way of writing an accuracy, a difference, a p and a list, for sentences and tables alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
GENERAL = {"cluster": "cluster of rows", "clusters": "clusters of rows", "question": "the one of the config"}


@dataclass(frozen=True)
class Words:
    """names: of languages by code; digits: decimals of a percentage; confidence: of every interval; source: the source
    language's code; terms: what the main task calls its own (`x-words` of its schema): `cluster` and `clusters`, what rows that
    are not independent share; `alone`, the part of a row that a control sees; `question`, what is asked and how it is scored."""

    names: Mapping[str, str]
    digits: int
    confidence: float
    source: str
    terms: Mapping[str, str] = field(default_factory=dict)

    def language(self, code: str) -> str:
        return self.names.get(code, code)

    @property
    def source_name(self) -> str:
        """The name of the source language."""
        return self.language(self.source)

    def term(self, name: str) -> str:
        """The task's own word for this, or the general one."""
        return {**GENERAL, **self.terms}[name]

    def filled(self, text: str) -> str:
        """A text of a chapter's declaration with the names in braces replaced: `{source}`, `{level}`, and those of `terms`."""
        for name, word in {**GENERAL, **self.terms, "source": self.source_name, "level": self.level}.items():
            text = text.replace(f"{{{name}}}", word)
        return text

    def languages(self, codes: Sequence[str]) -> str:
        return listing([self.language(code) for code in codes])

    def number(self, fraction: float) -> str:
        """A fraction as a percentage without its sign."""
        return f"{100 * fraction:.{self.digits}f}"

    def percent(self, fraction: float) -> str:
        return f"{self.number(fraction)}{SPACE}%"

    @property
    def level(self) -> str:
        """The confidence of intervals."""
        return f"{100 * self.confidence:g}{SPACE}%"

    def ends(self, row: Mapping[str, Any], low: str = "low", high: str = "high") -> str:
        return f"{self.number(row[low])} to {self.number(row[high])}"

    def stated(self, row: Mapping[str, Any]) -> str:
        """An accuracy as it may stand alone: with n and its interval."""
        return f"{self.percent(row['accuracy'])} (n{SPACE}={SPACE}{whole(row['n'])}, {self.level} interval {self.ends(row)})"

    def short(self, row: Mapping[str, Any]) -> str:
        """An accuracy with its interval, where n and the confidence have been said."""
        return f"{self.percent(row['accuracy'])} [{self.ends(row)}]"

    def points(self, difference: float) -> str:
        """A difference of accuracies in percentage points, signed."""
        return signed(f"{100 * difference:+.{self.digits}f}")

    def gap(self, row: Mapping[str, Any]) -> str:
        """A difference with its interval."""
        low, high = self.points(row["difference_low"]), self.points(row["difference_high"])
        return f"{self.points(row['difference'])} points [{low} to {high}]"


def signed(text: str) -> str:
    return text.replace("-", MINUS)


def whole(number: float) -> str:
    """A count with commas."""
    return f"{int(number):,}"


def p_value(p: float) -> str:
    return f"p{SPACE}<{SPACE}0.001" if p < 0.001 else f"p{SPACE}={SPACE}{p:.3f}" if p < 0.1 else f"p{SPACE}={SPACE}{p:.2f}"


def listing(items: Sequence[str]) -> str:
    """Items as a sentence lists them."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


def number_of(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A time at a precision that a reader wants: seconds, minutes or hours."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}{SPACE}{unit}"
    return f"{seconds:.0f}{SPACE}s"


def size(count: float) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e9:.1f}{SPACE}GB" if count >= 1e9 else f"{count / 1e6:.1f}{SPACE}MB"


def significant(number: float) -> str:
    """Three significant digits, or as many as a whole number has."""
    if pd.isna(number):
        return ""
    if number and abs(number) < 1e-3:
        return signed(f"{number:.1e}")
    decimals = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
    return signed(f"{number:,.{decimals}f}")
