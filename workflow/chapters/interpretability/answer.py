"""The chapter's answer: whether anything inside predicts what carries over, and what tuning changed; as strong as the tests."""

from __future__ import annotations

from typing import Any

import pandas as pd

from carryover.reporting.formatting import Words, listing, number_of, p_value, signed
from carryover.reporting.phrases import Tables
from chapters.interpretability.figures import PREDICTORS
from chapters.interpretability.prediction import OUTSIDE
from chapters.interpretability.sources import AS_IT_IS, TUNED, middle

FEW = 4  # languages below which nothing is correlated


def predicted(tables: Tables, words: Words) -> list[str]:
    """Which predictors go with zero-shot accuracy, and which still do among languages of equal token premium."""
    table = tables["predictors"].dropna(subset=["rho"])
    if table.empty:
        return [
            "Whether anything inside predicts transfer cannot be said: that needs a model fine-tuned on the source language and "
            f"tested in at least {FEW} others, with accuracies that differ."
        ]
    level, n, said = 1 - words.confidence, int(table["n"].max()), []
    inside = table[~table["predictor"].isin(OUTSIDE)]
    clear, beyond = inside[inside["p_holm"] < level], inside[inside["p_partial_holm"] < level]
    among = f"over {number_of(n, 'language')}"
    if clear.empty:
        least = table["detectable"].max()
        said.append(
            f"No measure from inside goes clearly with zero-shot accuracy {among}; only a correlation beyond {least:.2f} would "
            "have been seen, so weaker ones are not ruled out."
        )
    else:
        told = listing([_named(row, "rho", "p_holm") for row in clear.to_dict("records")])
        said.append(f"With zero-shot accuracy {among} go {told}.")
    if beyond.empty:
        said.append(
            "At equal token premium there is no evidence that any of them does: nothing inside is shown beyond the tokeniser."
        )
    else:
        told = listing([_named(row, "partial", "p_partial_holm") for row in beyond.to_dict("records")])
        said.append(f"At equal token premium, beyond the tokeniser, there is evidence for {told}.")
    outside = table[table["predictor"].isin(OUTSIDE) & (table["p_holm"] < level)]
    if len(outside):
        told = listing([_named(row, "rho", "p_holm") for row in outside.to_dict("records")])
        said.append(f"From outside the model there is {told}.")
    return [
        *said,
        "A correlation over languages is no cause: languages that are far from the source differ in all of these at once.",
    ]


def _named(row: dict[str, Any], value: str, p: str) -> str:
    where = "" if row["predictor"] in OUTSIDE else f" of the model {'as it is' if row['state'] == AS_IT_IS else TUNED}"
    return f"{PREDICTORS[str(row['predictor'])]}{where} ({signed(f'ρ {row[value]:.2f}')}, {p_value(row[p])})"


def changed(tables: Tables, words: Words) -> list[str]:
    """In how many languages tuning on the source language moved the middle state towards it or away."""
    rows = middle(tables["tuning"][tables["tuning"]["measure"] == "cka"])
    if rows.empty:
        return []
    up, down = (rows[rows["change_low"] > 0], rows[rows["change_high"] < 0])
    place = f"at hidden state {rows['layer'].iloc[0]} (CKA)"
    if up.empty and down.empty:
        said = f"There is no evidence that tuning on {words.source_name} changed how alike other languages are to it"
        return [f"{said} {place}."]
    told = [f"{verb} in {_where(some, words)}" for verb, some in (("more alike", up), ("less alike", down)) if len(some)]
    return [f"Tuning on {words.source_name} made other languages {listing(told)} {place}."]


def _where(rows: pd.DataFrame, words: Words) -> str:
    return words.languages(list(rows["language"]))
