"""Text in another script: into Latin by uroman, as it sounds, or from Latin letter by letter, which can be undone.

uroman (Hermjakob, May and Knight 2018) has rules for each language and loses distinctions that Latin does not write. The other
way is a control: letters.csv gives each of the 26 letters one of another alphabet, so that nothing is lost but the spelling that
a model knows. Digits, punctuation and letters with accents stay.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uroman import Uroman

DATA_FILES = ("letters.csv",)
LATIN = "latin"


def in_script(texts: Iterable[str], script: str, language: str) -> list[str]:
    """The texts in a script: `latin`, or a column of letters.csv. language: its ISO 639-3 code, by which uroman has its rules.

    Each distinct text is done once: three rows share a premise, and uroman does some three hundred sentences a second.
    """
    texts = list(texts)
    if script == LATIN:
        done = {text: _uroman().romanize_string(text, lcode=language) for text in dict.fromkeys(texts)}
        return [done[text] for text in texts]
    letters = str.maketrans(letters_of(script))
    return [text.translate(letters) for text in texts]


@cache
def letters_of(script: str) -> dict[str, str]:
    """The letter of another script for each Latin one, small and capital."""
    (name,) = DATA_FILES
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        small = {row[LATIN]: row[script] for row in csv.DictReader(file)}
    return small | {latin.upper(): other.upper() for latin, other in small.items()}


@cache
def _uroman() -> Uroman:
    from uroman import Uroman  # here, because its tables take seconds to load

    return Uroman()
