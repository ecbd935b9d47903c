"""One self-contained HTML page from tables, figures and provenance: no request leaves it, and it opens from a disk.

The page's words are in `report/`: a template, a stylesheet, a script for sorting and filtering, and a caption for each
figure and table; the sentences that state results come from `carryover.sentences`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from carryover.evidence import read_json
from carryover.keys import canonical
from carryover.wording import Words, duration, p_value, signed, significant, size, whole

Row = Mapping[str, Any]
Shown = tuple[str, Any]  # a cell's text, and the value that it sorts by
LONG = 80  # rows from which a table starts folded
JOB_COLUMNS = ["job", "stage", "code", "config", "started", "seconds", "peak_memory_mb", "device", "git_commit", "packages"]


def _accuracy(row: Row, column: str, words: Words) -> Shown:
    return words.short(row) if pd.notna(row["low"]) else words.percent(row[column]), row[column]


def _difference(row: Row, column: str, words: Words) -> Shown:
    return words.gap(row).replace(" points", ""), row[column]


def _published_difference(row: Row, column: str, words: Words) -> Shown:
    low, high = words.points(row["published_low"]), words.points(row["published_high"])
    return f"{words.points(row[column])} [{low} to {high}]", row[column]


def _calibration(row: Row, column: str, words: Words) -> Shown:
    return f"{words.percent(row[column])} [{words.ends(row, f'{column}_low', f'{column}_high')}]", row[column]


def _rho(row: Row, column: str, words: Words) -> Shown:
    text = f"{row[column]:.2f} [{row['low']:.2f} to {row['high']:.2f}]"
    return signed(text), row[column]


KINDS: dict[str, Callable[[Row, str, Words], Shown]] = {
    "text": lambda row, column, words: (str(row[column]), str(row[column])),
    "yes": lambda row, column, words: ("yes" if row[column] else "no", int(row[column])),
    "language": lambda row, column, words: (f"{words.language(row[column])} ({row[column]})", words.language(row[column])),
    "count": lambda row, column, words: (whole(row[column]), row[column]),
    "number": lambda row, column, words: (significant(row[column]), row[column]),
    "offset": lambda row, column, words: (signed(f"{row[column]:+.3f}"), row[column]),
    "plain": lambda row, column, words: (f"{row[column]:g}", row[column]),
    "percent": lambda row, column, words: (words.percent(row[column]), row[column]),
    "points": lambda row, column, words: (words.points(row[column]), row[column]),
    "p": lambda row, column, words: (p_value(row[column]), row[column]),
    "time": lambda row, column, words: (duration(row[column]), row[column]),
    "size": lambda row, column, words: (size(row[column]), row[column]),
    "accuracy": _accuracy,
    "difference": _difference,
    "published_difference": _published_difference,
    "calibration": _calibration,
    "rho": _rho,
}
NUMERIC = set(KINDS) - {"text", "language", "yes"}
MODEL = ("variant", "Variant", "text"), ("train", "Trained on", "text")
SCORED = (
    ("accuracy", "Accuracy", "accuracy"),
    ("n", "n", "count"),
    ("p_holm", "p against chance, Holm", "p"),
    ("verdict", "Verdict", "text"),
)
CHANGE = (
    ("difference", "Difference, points", "difference"),
    ("p_difference", "McNemar's p, Holm", "p"),
    ("detectable", "Smallest detectable", "points"),
    ("finding", "Finding", "text"),
)
THEIRS = (
    ("published", "Published", "percent"),
    ("published_difference", "Difference to published", "published_difference"),
    ("comparison", "Comparable?", "text"),
)
COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "data": (
        *(("language", "Language", "language"), ("split", "Split", "text"), ("rows", "Rows", "count"), ("used", "Used", "count")),
        *(("unusable", "Unusable", "count"), ("entailment", "Entailment", "count"), ("contradiction", "Contradiction", "count")),
        *(
            ("neutral", "Neutral", "count"),
            ("premise_cut", "Premise cut", "count"),
            ("hypothesis_cut", "Hypothesis cut", "count"),
        ),
        *(("mean_tokens", "Mean tokens", "number"), ("beyond_pretraining", "Beyond pretraining", "percent")),
    ),
    "fertility": (
        *(("language", "Language", "language"), ("text", "Text", "text"), ("rows", "Rows", "count")),
        *(("tokens_per_word", "Tokens per word", "number"), ("group", "Group", "text"), ("published", "Published", "number")),
        *(("published_group", "Published group", "text"), ("published_difference", "Difference", "offset")),
        *(("tokens_per_character", "Per character", "number"), ("bytes_per_token", "Bytes per token", "number")),
        ("token_premium", "Token premium", "number"),
    ),
    "pretraining": (
        *(("backbone", "Model", "text"), ("parameters", "Parameters", "count"), ("lines", "Lines", "count")),
        *(("tokens", "Tokens", "count"), ("updates", "Updates", "count"), ("seconds", "Time", "time")),
        *(("train_loss", "Training loss", "number"), ("validation_loss", "Validation loss", "number")),
        *(("validation_perplexity", "Perplexity", "number"), ("published_loss", "As published", "number")),
        ("published", "Published", "number"),
    ),
    "hyperparameters": (
        *(
            ("variant", "Variant", "text"),
            ("split", "Split", "text"),
            ("lr", "Learning rate", "plain"),
            ("batch_size", "Batch", "count"),
        ),
        *(("epochs", "Epochs", "count"), ("examples", "Examples", "count"), ("train_loss", "Train loss", "number"), *SCORED[:2]),
        *(CHANGE[0], CHANGE[1], CHANGE[3], *THEIRS, ("published_baseline", "Published to its baseline", "points")),
        ("published_train_loss", "Published train loss", "number"),
    ),
    "zero_shot": (
        *(("language", "Language", "language"), *SCORED, ("category", "Category", "text"), *THEIRS),
        *(("public_low", "Public runs, lowest", "percent"), ("public_high", "Highest", "percent")),
    ),
    "selection": (
        *(("language", "Language", "language"), ("dev_accuracy", "Dev accuracy", "percent"), ("p_holm", "p, Holm", "p")),
        *(
            ("tokens_per_word", "Tokens per word", "number"),
            ("token_premium", "Token premium", "number"),
            ("tier", "Tier", "count"),
        ),
        *(("selected", "Proposed", "yes"), ("listed", "Trained here", "yes"), ("reason", "Reason", "text")),
    ),
    "regimes": (
        *(("language", "Language", "language"), ("regime", "Regime", "text"), *MODEL, ("examples", "Examples", "count")),
        *(*SCORED, *CHANGE, *THEIRS),
    ),
    "differences": (
        *(("language", "Language", "language"), ("regime", "Regime", "text"), ("other", "Less", "text"), ("seen", "Seen", "yes")),
        *(("n", "n", "count"), *CHANGE, ("examples", "Examples", "count"), ("other_examples", "Of the other", "count")),
        *(("updates", "Updates", "count"), ("other_updates", "Of the other", "count")),
    ),
    "transfer_matrix": (*MODEL, ("language", "Tested on", "language"), ("seen", "Seen", "yes"), *SCORED),
    "one_or_many": (
        *(("joint", "Joint model", "text"), ("approach", "Approach", "text"), ("models", "Models", "count")),
        *(("languages", "Languages", "text"), ("examples", "Examples", "count"), ("updates", "Updates", "count")),
        *(("seconds", "Training", "time"), ("model_bytes", "Disk", "size"), ("peak_memory_mb", "Memory, MiB", "count")),
        ("accuracy", "Mean accuracy", "percent"),
    ),
    "correlation": (
        *(("regime", "Regime", "text"), ("outcome", "Outcome", "text"), ("predictor", "Predictor", "text")),
        *(("rho", "Spearman's rho", "rho"), ("p", "p", "p"), ("p_holm", "p, Holm", "p"), ("n", "Languages", "count")),
        ("published", "Published", "number"),
    ),
    "controls": (
        *(("language", "Language", "language"), *MODEL, ("control", "Control", "text"), *SCORED),
        *(("full_accuracy", "Full model", "percent"), *CHANGE),
    ),
    "calibration": (
        *(("language", "Language", "language"), *MODEL, ("n", "n", "count"), ("ece", "Calibration error", "calibration")),
        *(("temperature", "Temperature", "number"), ("ece_tempered", "Error with it", "calibration"), ("nll", "NLL", "number")),
        ("nll_tempered", "NLL with it", "number"),
    ),
    "seeds": (
        *(
            *MODEL,
            ("view", "View", "text"),
            ("split", "Split", "text"),
            ("language", "Language", "language"),
            ("seeds", "Seeds", "count"),
        ),
        *(
            SCORED[0],
            SCORED[1],
            ("sd", "SD over seeds", "points"),
            ("lowest", "Lowest", "percent"),
            ("highest", "Highest", "percent"),
        ),
    ),
    "costs": (
        *(
            *MODEL,
            ("seed", "Seed", "count"),
            ("rows", "Rows", "count"),
            ("examples", "Examples", "count"),
            ("updates", "Updates", "count"),
        ),
        *(("tokens", "Tokens", "count"), ("train_loss", "Train loss", "number"), ("best_epoch", "Best epoch", "count")),
        *(("seconds", "Time", "time"), ("peak_memory_mb", "Memory, MiB", "count"), ("model_bytes", "Disk", "size")),
    ),
    "accuracy": (
        *(
            *MODEL,
            ("seed", "Seed", "count"),
            ("view", "View", "text"),
            ("split", "Split", "text"),
            ("language", "Language", "language"),
        ),
        *(*SCORED, ("greedy_accuracy", "Greedy", "percent"), ("invalid", "No label", "percent")),
    ),
    "jobs": (
        *(("job", "Job", "text"), ("stage", "Stage", "text"), ("code", "Code", "text"), ("config", "Config", "text")),
        *(("started", "Started", "text"), ("seconds", "Time", "time"), ("peak_memory_mb", "Memory, MiB", "count")),
        ("device", "Device", "text"),
    ),
}


def jobs_table(paths: Iterable[Path], training: Iterable[Path], study: Path) -> pd.DataFrame:
    """One row a job from its provenance, named by its place in the study's folder.

    training: records of training runs, which know the device. `code` is the fingerprint of the job's program, `config` the
    first digits of a SHA-256 of its slice of the config.
    """
    devices = {str(path.parent): read_json(path).get("device") for path in training}
    rows = []
    for path in sorted(paths):
        facts = read_json(path)
        place = path.relative_to(study) if path.is_relative_to(study) else path
        name = str(place).removesuffix("provenance.json").rstrip("/.")
        digest = hashlib.sha256(canonical(facts["key"]["config"]).encode()).hexdigest()
        taken = {column: facts[column] for column in ("started", "seconds", "peak_memory_mb", "git_commit")}
        versions = ", ".join(f"{package} {version}" for package, version in facts["packages"].items() if version)
        row = {"job": name, "stage": place.parts[0], "code": facts["key"]["code"], "config": digest[:12], "packages": versions}
        rows.append(row | taken | {"device": devices.get(str(path.parent))})
    return pd.DataFrame(rows, columns=JOB_COLUMNS)


def anchor(job: str) -> str:
    """The id of a job's row in the page."""
    return "job-" + re.sub(r"[^A-Za-z0-9]+", "-", job)


def html_table(name: str, table: pd.DataFrame, words: Words, jobs: Mapping[str, str]) -> dict[str, Any]:
    """What the template needs of a table: its columns, and its rows as cells of text, sort value and link.

    jobs: anchors by job name; an accuracy links to the job that predicted it, or to the table's own.
    """
    columns = [column for column in COLUMNS[name] if not table.empty and table[column[0]].notna().any()]
    rows = []
    for row in table.to_dict("records"):
        link = _made_by(row, name, jobs)
        cells = []
        for place, (column, _, kind) in enumerate(columns):
            text, value = ("", "") if pd.isna(row[column]) else KINDS[kind](row, column, words)
            linked = link if column in ("accuracy", "difference", "seconds", "ece") else ""
            cells.append({"text": text, "sort": value, "number": kind in NUMERIC, "href": linked, "head": place == 0})
        rows.append({"cells": cells, "id": anchor(row["job"]) if name == "jobs" else ""})
    heads = [{"label": label, "number": kind in NUMERIC} for _, label, kind in columns]
    return {"name": name, "columns": heads, "rows": rows, "csv": data_uri(table), "long": len(rows) > LONG}


def _made_by(row: Row, name: str, jobs: Mapping[str, str]) -> str:
    """The anchor of the job behind a row: the prediction of its model, its training, or the tables' own."""
    if name == "jobs":
        return ""
    if all(pd.notna(row.get(part)) for part in ("backbone", "method", "variant", "train")):
        seed = int(row["seed"]) if pd.notna(row.get("seed")) else 0
        run = "/".join([*(str(row[part]) for part in ("backbone", "method", "variant", "train")), f"seed{seed}"])
        for job in (
            [f"models/{run}"] if name == "costs" else [f"predictions/{run}/{row.get('view', 'full')}", f"predictions/{run}"]
        ):
            if job in jobs:
                return f"#{jobs[job]}"
    return f"#{jobs['tables']}" if "tables" in jobs else ""


def data_uri(table: pd.DataFrame) -> str:
    """A table as a CSV file within a link, so that it can be saved from the page alone."""
    content = base64.b64encode(table.to_csv(index=False).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"


def inline_svg(text: str, name: str, caption: str) -> Markup:
    """An SVG file as part of the page: without its XML head, its ids made unique, named for those who do not see it."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    # A fixed size in points would overflow narrow screens; the viewBox keeps the shape.
    head, body = text.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(caption)}">{body}')


def captions(paths: Iterable[Path]) -> dict[str, str]:
    """The captions by name. They are reStructuredText without markup, so that Snakemake's report shows the same words."""
    return {path.stem: " ".join(path.read_text(encoding="utf-8").split()) for path in paths if path.suffix == ".rst"}


def render(templates: Iterable[Path], **values: Any) -> str:
    """The page. templates: the files of `report/`, of which `page.html.j2` includes the others by name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in templates}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(texts), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(**values)
