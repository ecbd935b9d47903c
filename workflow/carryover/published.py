"""What others published, to put beside our own figures: `data/published/*.csv`, accuracies as fractions.

Another model or another number of training rows makes a figure "not comparable": it is shown, with the reason, and no
difference is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.evidence import read_csv

REPORT = "sutd-report-2025"  # the report whose tables ours mirror
MODEL = "gpt2"  # the 124M model that the report and the other public runs of the course fine-tuned
BASELINE = {"lr": 5e-5, "batch_size": 4}  # the course's recipe, of which a published setting names the changes
Published = dict[str, pd.DataFrame]


def read_published(paths: Iterable[Path]) -> Published:
    """Each table under its file's name."""
    return {path.stem: read_csv(path) for path in sorted(paths)}


def settings(text: str) -> dict[str, float]:
    """The learning rate and batch size in a published setting's words, such as `lr=1e-4`."""
    found = dict(BASELINE)
    for name, key in (("lr", "lr"), ("batch", "batch_size")):
        if match := re.search(rf"\b{name}=([0-9.e-]+)", text):
            found[key] = float(match[1])
    return found


def hyperparameters(published: Published) -> pd.DataFrame:
    """The public English runs of GPT-2 124M, with learning rate and batch size as columns."""
    table = published["hyperparameters"]
    table = table[~table["setting"].str.contains("tiny")]
    return table.assign(**pd.DataFrame([settings(text) for text in table["setting"]], index=table.index))


def for_recipe(published: Published, recipe: dict[str, Any]) -> dict[str, Any]:
    """The report's row for this learning rate and batch size over one epoch, or nothing."""
    table = hyperparameters(published)
    same = (table["source"] == REPORT) & (table["lr"] == recipe.get("lr")) & (table["batch_size"] == recipe.get("batch_size"))
    if recipe.get("epochs") != 1 or recipe.get("warmup") or not same.any():
        return {}
    return table[same].iloc[0].to_dict()


def expected_english(published: Published) -> tuple[float, float, int, int]:
    """Lowest and highest public test accuracy of the baseline recipe on all rows, the number of runs, and those rows."""
    table = hyperparameters(published)
    rows = int(table["train_rows"].max())
    runs = table[
        (table["lr"] == BASELINE["lr"]) & (table["batch_size"] == BASELINE["batch_size"]) & (table["train_rows"] == rows)
    ]
    return float(runs["test_accuracy"].min()), float(runs["test_accuracy"].max()), len(runs), rows


def value(table: pd.DataFrame, column: str, **where: Any) -> float | str | None:
    """The value of a column in the first row of which all this holds, or None."""
    for name, wanted in where.items():
        table = table[table[name] == wanted]
    return table[column].iloc[0] if len(table) else None


def zero_shot(published: Published, language: str) -> dict[str, Any]:
    """The report's zero-shot accuracy, and the range over all public runs of the same course."""
    runs = published["zero_shot"]
    runs = runs[(runs["language"] == language) & (runs["model"] == MODEL)]
    return {
        "published": value(runs, "test_accuracy", source=REPORT),
        "public_low": runs["test_accuracy"].min() if len(runs) else None,
        "public_high": runs["test_accuracy"].max() if len(runs) else None,
        "public_runs": len(runs),
    }


def own_model(published: Published, language: str) -> tuple[float | None, int | None]:
    """The report's test accuracy of the model of this language, and the rows that it was trained on."""
    table = published["per_language"]
    accuracy = value(table, "test_accuracy", source=REPORT, language=language)
    rows = value(table, "train_rows", source=REPORT, language=language)
    return accuracy, int(re.match(r"\d+", str(rows))[0]) if rows is not None else None


def joint_model(published: Published, language: str, languages: list[str]) -> tuple[float | None, int | None]:
    """A public test accuracy of one model for exactly these languages, and its rows of each."""
    table = published["all_language"]
    same = table[[set(text.split()) == set(languages) for text in table["train_languages"]]]
    accuracy, rows = value(same, "test_accuracy", language=language), value(same, "train_rows_each", language=language)
    return accuracy, int(rows) if rows is not None else None


def set_beside(
    score: dict[str, Any], reference: float | None, incomparable: str, rows: tuple[int | None, int | None] = (None, None)
) -> dict[str, Any]:
    """The published accuracy beside ours: its difference with our interval, or why the two cannot be compared.

    incomparable: the reason that holds for the whole study, empty where there is none; rows: of our training and of the
    published. The published figure is taken as a fixed number, its own sampling error being unknown.
    """
    if reference is None or pd.isna(reference):
        return {"published": None, "comparison": "nothing published"}
    ours, theirs = rows
    if not incomparable and ours is not None and theirs is not None and ours != theirs:
        incomparable = f"trained on {ours:,} rows, the published model on {theirs:,}"
    if incomparable:
        return {"published": reference, "comparison": f"not comparable: {incomparable}"}
    return {
        "published": reference,
        "published_difference": score["accuracy"] - reference,
        "published_low": score["low"] - reference,
        "published_high": score["high"] - reference,
        "comparison": "comparable",
    }
