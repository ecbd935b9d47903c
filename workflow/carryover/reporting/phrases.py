"""How a claim is worded: as strong as the test behind it, and no stronger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from carryover.analysis.comparison import ABOVE, CONSTANT, HIGHER, LOWER, NO_DIFFERENCE, NO_EVIDENCE
from carryover.analysis.statistics import POWER
from carryover.reporting.formatting import SPACE, Words, listing, p_value, signed, whole

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]
BITS = re.compile(r"Q(\d+)")  # in the name of a GGUF type, such as Q4_1 or IQ4_NL
MOST_TOLD = 5  # differences that one sentence lists with their intervals


def rows(table: pd.DataFrame, **where: Any) -> list[Row]:
    """The rows of which all this holds."""
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    return table.to_dict("records")


def capital(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def rounded(weights: Mapping[str, int]) -> str | None:
    """How many weights were rounded to how many bits, by the GGUF types of tensors, the coarsest first; None where none was."""
    found = sorted((int(bits[1]), count) for name, count in weights.items() if (bits := BITS.search(name)))
    return listing([f"{whole(count)} to {bits} bits" for bits, count in found]) if found else None


def verdict(row: Row, words: Words) -> str:
    """What the test against chance says of an accuracy."""
    if row["verdict"] == CONSTANT:
        return f"a constant predictor, which answers {row['constant']} to everything"
    sign = "above" if row["verdict"] == ABOVE else NO_EVIDENCE.replace("chance", "")
    return f"{sign.strip()} chance ({words.percent(row['chance'])}; {p_value(row['p_holm'])} after Holm's correction)"


def constants(found: list[Row], words: Words, subject: str = "it") -> list[str]:
    """The languages to which a model gives one answer throughout, by that answer."""
    said = []
    for label in dict.fromkeys(row["constant"] for row in found if isinstance(row["constant"], str)):
        codes = [row["language"] for row in found if row["constant"] == label]
        if codes:
            said.append(f"In {words.languages(codes)} {subject} is a constant predictor: it answers {label} to every row.")
    return said


def rho(row: Row) -> str:
    """Spearman's rho with its symbol."""
    return signed(f"ρ {row['rho']:.2f}")


def changes(subject: str, against: str, found: list[Row], words: Words, among: str = "") -> list[str]:
    """One sentence a finding: higher, lower, or no evidence, with the smallest difference that could have been seen.

    among: what the languages of `found` have in common, where that needs saying.
    """
    said = []
    for finding, verb in ((HIGHER, "beats"), (LOWER, "falls behind")):
        clear = sorted((row for row in found if row["finding"] == finding), key=lambda row: -abs(row["difference"]))
        if clear:
            said.append(f"{among}{subject} {verb} {against} in {_where(clear, words)}.")
    unclear = [row for row in found if row["finding"] == NO_DIFFERENCE]
    if unclear:
        least = 100 * max(row["detectable"] for row in unclear)
        where = words.languages([row["language"] for row in unclear])
        start = f"{among}{'there' if among else 'There'} is {NO_DIFFERENCE} between {subject} and {against} in {where}"
        said.append(f"{start}; {power(least, words)}.")
    return [capital(text) for text in said]


def _where(clear: list[Row], words: Words) -> str:
    """Languages with their differences, largest first; of many, only the largest and the smallest with a number."""
    told = [f"{words.language(row['language'])} ({words.gap(row)})" for row in clear]
    if len(told) <= MOST_TOLD:
        return listing(told)
    between = words.languages([row["language"] for row in clear[1:-1]])
    return f"{len(told)} languages: most in {told[0]}, least in {told[-1]}, and between them in {between}"


def power(least: float, words: Words) -> str:
    """What a test of this precision could have seen."""
    seen = f"{least:.{words.digits}f} points would have been seen with a power of {100 * POWER:.0f}{SPACE}%"
    return f"a true difference of {seen}"
