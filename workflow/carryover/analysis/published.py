"""What others published, as a reference for our own figures: `data/published/*.csv`, accuracies as fractions.

Another model or another number of training rows makes a figure "not comparable": it is shown, with the reason, and no
difference is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.analysis.records import read_csv

REPORT = "sutd-report-2025"  # the report whose tables ours mirror
MODEL, METHOD = "GPT-2 124M", "full"  # what the report and the other public runs of the course fine-tuned, and how
BASELINE = {"lr": 5e-5, "batch_size": 4}  # the course's recipe, of which a published setting names the changes
COMPARABLE, NOT_COMPARABLE, NOTHING = "comparable", "not comparable", "nothing published"
SETTING, TOGETHER = "setting", "several languages"  # kinds of other public runs, next to the regimes zero-shot and own model
FERTILITY_ROWS = 3927  # of training text, on which the report counted its fertility
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


def value(table: pd.DataFrame, column: str, **where: Any) -> Any:
    """The value of a column in the first row of which all this holds, or None."""
    for name, wanted in where.items():
        table = table[table[name] == wanted]
    return table[column].iloc[0] if len(table) else None


def zero_shot(published: Published, language: str, model: str | None, method: str) -> dict[str, Any]:
    """The report's zero-shot accuracy of this published model and method, and the range over all public runs of the same course;
    of the model that most runs are of, where there are none of this one. `published_model` and `published_method` say which."""
    runs = published["zero_shot"]
    if runs[(runs["model"] == model) & (runs["method"] == method)].empty:
        model, method = MODEL, METHOD
    runs = runs[(runs["language"] == language) & (runs["model"] == model) & (runs["method"] == method)]
    return {
        "published_model": model,
        "published_method": method,
        "published": value(runs, "test_accuracy", source=REPORT),
        "public_low": runs["test_accuracy"].min() if len(runs) else None,
        "public_high": runs["test_accuracy"].max() if len(runs) else None,
        "public_runs": len(runs),
    }


def fertility(published: Published, row: dict[str, Any], incomparable: str) -> dict[str, Any]:
    """The report's tokens per word and group, for a row of our fertility of training text, as `compare_published` does."""
    where = {"source": REPORT, "language": row["language"]}
    score = {"accuracy": row["tokens_per_word"], "low": row["word_low"], "high": row["word_high"]}
    if not incomparable and row["rows"] != FERTILITY_ROWS:
        incomparable = f"counted on {row['rows']:,} rows, the published value on {FERTILITY_ROWS:,}"
    compared = compare_published(score, value(published["fertility"], "tokens_per_word", **where), incomparable)
    return compared | {"published_group": value(published["fertility"], "group", **where)}


def per_language(published: Published, language: str) -> dict[str, Any]:
    """The report's row for the model of this language: rows, zero-shot, dev, test and their improvement; or nothing."""
    table = published["per_language"]
    table = table[(table["source"] == REPORT) & (table["language"] == language)]
    if table.empty:
        return {}
    row = table.iloc[0]
    return {
        "rows": _rows(row["train_rows"]),
        "published_zero_shot": row["zero_shot_test"],
        "published_dev": row["dev_accuracy"],
        "published_test": row["test_accuracy"],
        "published_improvement": row["test_accuracy"] - row["zero_shot_test"],
    }


def mean_improvement(published: Published) -> pd.Series:
    """The report's improvement over zero-shot, by language."""
    table = published["per_language"]
    table = table[table["source"] == REPORT].set_index("language")
    return table["test_accuracy"] - table["zero_shot_test"]


def _rows(text: object) -> int:
    """The number of training rows, which a remark may follow."""
    return int(re.findall(r"^\d+", str(text))[0])


def own_model(published: Published, language: str) -> tuple[float | None, int | None]:
    """The report's test accuracy of the model of this language, and the rows that it was trained on."""
    row = per_language(published, language)
    return row.get("published_test"), row.get("rows")


def joint_model(published: Published, language: str, languages: list[str]) -> tuple[float | None, int | None]:
    """A public test accuracy of one model for exactly these languages, and its rows of each."""
    table = published["all_language"]
    same = table[[set(text.split()) == set(languages) for text in table["train_languages"]]]
    accuracy, rows = value(same, "test_accuracy", language=language), value(same, "train_rows_each", language=language)
    return accuracy, int(rows) if rows is not None else None


def runs(published: Published) -> list[dict[str, Any]]:
    """Every public run of the course, the report's included, as rows of one shape.

    regime: `setting` (English, with its learning rate and batch size), `zero-shot`, `own model`, or `several languages`;
    rows: of training text in all; reason: why no model here could be compared, empty where one could.
    """
    found = []
    for row in published["hyperparameters"].to_dict("records"):
        tiny = "tiny" in row["setting"]
        found.append(
            {"regime": SETTING, "setting": row["setting"], "trained_on": "en", "rows": row["train_rows"], "language": "en"}
            | {"source": row["source"], "accuracy": row["test_accuracy"], "reason": "another model" if tiny else ""}
            | settings(row["setting"])
        )
    rows = int(published["hyperparameters"]["train_rows"].max())
    for row in published["zero_shot"].to_dict("records"):
        if row["language"] != "en":
            named = {"regime": "zero-shot", "setting": row["model"], "trained_on": "en", "rows": rows}
            other = {"source": row["source"], "accuracy": row["test_accuracy"], "language": row["language"]}
            found.append(named | other | {"reason": "" if row["model"] == MODEL else "another model"})
    for row in published["per_language"].to_dict("records"):
        named = {"regime": "own model", "setting": f"batch={row['batch_size']}", "trained_on": row["language"]}
        other = {"source": row["source"], "accuracy": row["test_accuracy"], "language": row["language"], "reason": ""}
        found.append(named | other | {"rows": _rows(row["train_rows"])})
    for row in published["all_language"].to_dict("records"):
        rows = row["train_rows_each"] * len(row["train_languages"].split())
        named = {"regime": TOGETHER, "setting": "together", "trained_on": row["train_languages"], "rows": rows}
        found.append(
            named | {name: row[name] for name in ("source", "language")} | {"accuracy": row["test_accuracy"], "reason": ""}
        )
    return found


def unlike(model: str) -> str:
    """How a model of the literature differs from any of this project."""
    if model.startswith("GPT-2"):
        return "a classification head, and more epochs"
    return "another model, on dev" if "(dev)" in model else "another model"


def compare_published(
    score: dict[str, Any], reference: float | None, incomparable: str, rows: tuple[int | None, int | None] = (None, None)
) -> dict[str, Any]:
    """The published accuracy and ours: their difference with our interval, or why the two cannot be compared.

    incomparable: the reason that holds for the whole study, empty where there is none; rows: of our training and of the
    published. The published figure is taken as a fixed number, its own sampling error being unknown.
    """
    if reference is None or pd.isna(reference):
        return {"published": None, "comparison": NOTHING}
    ours, theirs = rows
    if not incomparable and ours is not None and theirs is not None and ours != theirs:
        incomparable = f"trained on {ours:,} rows, the published model on {theirs:,}"
    if incomparable:
        return {"published": reference, "comparison": f"{NOT_COMPARABLE}: {incomparable}"}
    return {
        "published": reference,
        "published_difference": score["accuracy"] - reference,
        "published_low": score["low"] - reference,
        "published_high": score["high"] - reference,
        "comparison": COMPARABLE,
    }
