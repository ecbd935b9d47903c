"""A study's results as a few lines of plain text: `python -m chapters.transfer.summary results/<study>`.

One line a language: zero-shot with its interval, the language's own model, and the joint models, from the study's tables.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.analysis.comparison import ABOVE
from carryover.analysis.records import read_csv
from carryover.analysis.study import OWN, ZERO_SHOT
from carryover.reporting.formatting import Words
from carryover.reporting.groups import split


def results_table(regimes: pd.DataFrame, words: Words) -> str:
    """The accuracies of each language by regime, in per cent; a star where a model is above chance."""
    if regimes.empty:
        return "no fine-tuned model has been tested"
    columns = list(dict.fromkeys([ZERO_SHOT, OWN, *regimes["regime"]]))
    lines = [["language", "n", *columns]]
    groups = split(regimes)
    by_language = [(name, code, rows) for name, theirs in groups for code, rows in theirs.groupby("language", sort=False)]
    for group, code, rows in by_language:
        by_regime = {row["regime"]: row for row in rows.to_dict("records")}
        shown = [_cell(by_regime.get(column), words) for column in columns]
        name = words.language(code) if len(groups) == 1 else f"{group} {words.language(code)}"
        lines.append([name, f"{rows['n'].max():,}", *shown])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    level = f"{100 * words.confidence:g} % intervals over clusters of rows"
    return "\n".join([*text, f"accuracy in per cent with {level}; * above chance after Holm's correction"])


def _cell(row: dict[str, Any] | None, words: Words) -> str:
    if row is None:
        return "-"
    return f"{words.number(row['accuracy'])} [{words.ends(row)}]{' *' if row['verdict'] == ABOVE else ''}"


if __name__ == "__main__":
    study = Path(sys.argv[1])
    print(results_table(read_csv(study / "transfer" / "tables" / "regimes.csv"), Words({}, digits=1, confidence=0.95, source="")))
    print(f"report: {study / 'report.html'}")
