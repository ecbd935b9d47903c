"""What script alone costs: the same rows asked of the same model in their own script and in another."""

from __future__ import annotations

from typing import Any

import pandas as pd

from carryover.analysis import statistics
from carryover.analysis.comparison import PAIRED, difference, judge, judge_differences, score
from carryover.analysis.study import Study
from carryover.data.fertility import text_in
from carryover.data.transliteration import LATIN
from carryover.metrics import accuracy
from carryover.planning.paths import System
from chapters.transfer.tables import RUN, SCORE, facts, frame

TESTED = ["difference", "difference_low", "difference_high", PAIRED, "p_difference", "detectable", "finding"]
ENDS = ("", "_low", "_high")


def script(study: Study) -> pd.DataFrame:
    """Each language in another script (`view`) minus the same rows in its own, paired by cluster; a system's are one family.

    original, original_verdict: of the rows in their own script; original_premium, script_premium: the tokens of the same dev
    sentences over those of the source language, before and after.
    """
    table = []
    for system in study.systems():
        rows, originals = [], []
        for view, languages in sorted(study.config["other_scripts"].items(), key=lambda asked: asked[0] != LATIN):
            for language in (language for language in study.languages if language in languages):
                cell, own = study.cell(system, language, view=view), study.cell(system, language)
                if cell is not None and own is not None:
                    named = facts(system, cell) | {"tokenizer": study.tokenizer_of(system.model)}
                    named |= {"language": language, "view": view, "cells": (cell, own)}
                    rows.append(named | score(cell, study.settings) | _premiums(study, system, language, view))
                    originals.append(score(own, study.settings))
        for family in (rows, originals):
            judge(family, study.settings)
        for row, original in zip(rows, originals, strict=True):
            cell, own = row.pop("cells")
            row |= difference(cell, own, accuracy, study.settings, len(rows))
            row |= {"original": original["accuracy"], "original_verdict": original["verdict"]}
        judge_differences(rows, study.settings, PAIRED)
        table += rows
    premiums = [f"{name}_premium{end}" for name in ("original", "script") for end in ENDS]
    return frame(
        table,
        [*RUN, "tokenizer", "seeds", "language", "view", "original", "original_verdict", *SCORE, *TESTED, *premiums],
    )


def _premiums(study: Study, system: System, language: str, view: str) -> dict[str, Any]:
    """Token premium with its interval in the language's own script and in another, where it was counted."""
    far, found = statistics.normal_quantile(study.settings.confidence), dict[str, Any]()
    for name, text in (("original", "dev"), ("script", text_in(view))):
        counted = study.fertility_of(system.model, text)
        for row in counted[counted["language"] == language].to_dict("records"):
            premium, reach = row["token_premium"], far * row["token_premium_se"]
            found |= dict(zip((f"{name}_premium{end}" for end in ENDS), (premium, premium - reach, premium + reach), strict=True))
    return found
