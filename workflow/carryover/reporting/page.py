"""One self-contained HTML page from tables, figures and provenance: no request leaves it, and it opens from a disk.

The page's words are in `report/`: a template, a stylesheet, a script for sorting and filtering, and a caption for each
figure and table; the sentences that state results come from `chapters.transfer.sentences`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from carryover.analysis.records import read_json
from carryover.planning.keys import canonical
from carryover.reporting.columns import KINDS, NUMERIC, columns_of, made_in
from carryover.reporting.formatting import Words, duration

JOB_COLUMNS = ["job", "stage", "code", "config", "started", "seconds", "peak_memory_mb", "device", "git_commit", "packages"]


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


def spent(jobs: pd.DataFrame, planned: pd.DataFrame) -> dict[str, Any]:
    """The sums of the chapter on how numbers were made: jobs, time, GPU time, and the plan's time beside what it took."""
    on_gpu = jobs[jobs["device"].astype(str).str.startswith("cuda")]
    sums = {"jobs": len(jobs), "time": duration(jobs["seconds"].sum())}
    sums |= {"on_gpu": len(on_gpu), "gpu": duration(on_gpu["seconds"].sum())}
    known = planned.dropna(subset=["estimated_seconds", "seconds"]) if len(planned) else planned
    if len(known):
        sums |= {"known": len(known), "known_time": duration(known["seconds"].sum())}
    return sums | {"planned": duration(known["estimated_seconds"].sum()) if len(known) else ""}


def anchor(job: str) -> str:
    """The id of a job's row in the page."""
    return "job-" + re.sub(r"[^A-Za-z0-9]+", "-", job)


def html_table(name: str, table: pd.DataFrame, words: Words, jobs: Mapping[str, str], beside: set[str]) -> dict[str, Any]:
    """What the template needs of a table: its columns, and its rows as cells of text, sort value and link.

    jobs: anchors by job name; a cell links to the job that made it. beside: whose published figures are shown.
    """
    columns = {
        column: shown
        for column, shown in columns_of(name, beside).items()
        if not table.empty and column in table and table[column].notna().any()
    }
    rows = []
    for row in table.to_dict("records"):
        cells: list[dict[str, Any]] = []
        for place, (column, shown) in enumerate(columns.items()):
            text, value = ("", "") if pd.isna(row[column]) else KINDS[shown.kind](row, column, words)
            made_by = next((job for job in made_in(name, column, shown.made_by, row) if job in jobs), None)
            href = f"#{jobs[made_by]}" if made_by and text else ""
            reached = not any(cell["href"] == href for cell in cells)  # by keyboard: each job of a row once
            cell = {"text": text, "sort": value, "number": shown.kind in NUMERIC, "head": place == 0}
            cells.append(cell | {"href": href, "reached": reached})
        rows.append({"cells": cells, "id": anchor(row["job"]) if name == "jobs" else ""})
    heads = [{"label": shown.label, "number": shown.kind in NUMERIC} for shown in columns.values()]
    return {"name": name, "columns": heads, "rows": rows, "csv": data_uri(table)}


def matrix_table(name: str, matrix: pd.DataFrame) -> dict[str, Any]:
    """A matrix of marks for the template: the first column names a row, every other cell holds 1 or nothing."""
    rows = []
    for row in matrix.itertuples(index=False):
        marks = [{"text": "\N{BLACK CIRCLE}" if mark == 1 else "", "sort": "1" if mark == 1 else ""} for mark in row[1:]]
        cells = [{"text": row[0], "sort": row[0], "head": True}, *marks]
        rows.append({"cells": [{"number": False, "href": "", "head": False} | cell for cell in cells], "id": ""})
    heads = [{"label": label, "number": False} for label in matrix.columns]
    return {"name": name, "columns": heads, "rows": rows, "csv": data_uri(matrix)}


def planned_table(plan: pd.DataFrame, jobs: pd.DataFrame, training: Iterable[Path], study: Path) -> pd.DataFrame:
    """What the plan foretold of each job beside what the job spent.

    plan: job, stage, examples, tokens, updates, flops, estimated_seconds; jobs: as of `jobs_table`; training: the records of
    training runs, which counted examples, tokens and updates.
    """
    counted = ("examples", "tokens", "updates")
    spent = [
        {"job": str(path.parent.relative_to(study))} | {f"spent_{name}": read_json(path).get(name) for name in counted}
        for path in training
    ]
    spent = pd.DataFrame(spent, columns=["job", *(f"spent_{name}" for name in counted)])
    table = plan.merge(jobs[["job", "seconds"]], on="job", how="left").merge(spent, on="job", how="left")
    return table.assign(ratio=table["seconds"] / table["estimated_seconds"].where(table["estimated_seconds"] > 0))


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
