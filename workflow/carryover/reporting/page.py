"""One self-contained HTML page from tables, figures and provenance: no request leaves it, and it opens from a disk.

What the page shows and in which order is declared in each chapter's `chapter.yaml`, and in `report/closing.yaml` for what
stands below all chapters; `report/` also has the template, a stylesheet and a script for sorting and filtering.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from carryover.reporting.cells import NUMERIC, cell
from carryover.reporting.chapters import Chapter, Content, Figure, Sentences, Table, Text
from carryover.reporting.columns import Columns, shown_columns
from carryover.reporting.formatting import Words, whole
from carryover.reporting.groups import Group, groups_of, rows_of
from carryover.reporting.provenance import made_by

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Made:
    """What a chapter's jobs made. functions: those of its sentences by `module.function`; drawings: SVG files' text by name;
    drawn: the rows that they show."""

    tables: Tables
    functions: Mapping[str, Callable[[Tables, Words], list[str]]]
    drawings: Mapping[str, str]
    drawn: Tables


@dataclass(frozen=True)
class Shown:
    """What the whole page shares. jobs: names of the jobs that it lists; published: whose published figures are shown."""

    words: Words
    jobs: Collection[str]
    published: Collection[str]
    resamples: int


def chapter_view(number: int, chapter: Chapter, made: Made, shown: Shown) -> dict[str, Any]:
    """A chapter as the template shows it: numbered sections, and in them texts, figures and tables."""
    sections = []
    for place, section in enumerate(chapter.sections, 1):
        views = [_content_view(content, chapter, made, shown) for content in section.contents]
        named = {"name": f"{chapter.name}-{section.name}", "number": f"{number}.{place}", "title": section.title}
        sections.append(named | {"contents": [view for view in views if view]})
    return {"name": chapter.name, "number": number, "title": chapter.title, "sections": sections}


def _content_view(content: Content, chapter: Chapter, made: Made, shown: Shown) -> dict[str, Any] | None:
    """None for what is not shown: a table that is only a file or that this study does not have, or published figures that the
    config leaves out."""
    if isinstance(content, Text):
        return {"kind": "text", "text": content.text.replace("{resamples}", whole(shown.resamples))}
    if isinstance(content, Sentences):
        lists = [texts for name in content.functions for texts in _each(content, made.functions[name], made.tables, shown.words)]
        if content.points:
            return {"kind": "points", "texts": [text for texts in lists for text in texts]}
        return {"kind": "paragraphs", "texts": [" ".join(texts) for texts in lists]}
    if isinstance(content, Figure):
        anchor = f"{chapter.name}-{content.name}"
        svg = inline_svg(made.drawings[content.name], anchor, content.caption)
        return {"kind": "figure", "anchor": anchor, "name": content.name, "caption": content.caption, "svg": svg} | {
            "file": f"{chapter.name}/figures/{content.name}.csv",
            "csv": data_uri(made.drawn[content.name]),
        }
    if not content.columns or (content.published and content.published not in shown.published):
        return None
    if content.optional and made.tables[content.name].empty:
        return None
    return table_view(content, made.tables[content.name], chapter.name, shown)


def _each(content: Sentences, function: Callable[[Tables, Words], list[str]], tables: Tables, words: Words) -> list[list[str]]:
    """What a function says of all tables; or of each model's rows in turn, named first where there are several."""
    if not content.each_model_of:
        return [texts] if (texts := function(tables, words)) else []
    groups = groups_of(tables[content.each_model_of])
    said = []
    for group in groups or [Group("", None)]:
        if texts := function({name: rows_of(table, group) for name, table in tables.items()}, words):
            label = f"{group.name}: " if len(groups) > 1 else ""
            said.append([label + texts[0], *texts[1:]])
    return [texts for place, texts in enumerate(said) if texts not in said[:place]]


def anchor(job: str) -> str:
    """The id of a job's row in the page."""
    return "job-" + re.sub(r"[^A-Za-z0-9]+", "-", job)


def table_view(table: Table, rows: pd.DataFrame, chapter: str, shown: Shown) -> dict[str, Any]:
    """What the template needs of a table: its columns, and its rows as cells of text, sort value and link.

    A cell links to the job that made it. Columns that are empty throughout are left out.
    """
    columns = columns_with_values(shown_columns(table.columns, shown.published), rows)
    heads = [{"label": column.label, "number": column.kind in NUMERIC} for column in columns.values()]
    lines = [_row_view(row, columns, f"{chapter}/tables", shown) for row in rows.to_dict("records")]
    facts: dict[str, Any] = {"kind": "table", "anchor": f"{chapter}-{table.name}", "name": table.name, "title": table.title}
    facts |= {"caption": table.caption, "unfolded": table.unfolded}
    return facts | {"columns": heads, "rows": lines, "csv": data_uri(rows)}


def columns_with_values(columns: Columns, rows: pd.DataFrame) -> Columns:
    """The columns of which this table has anything."""
    return {name: column for name, column in columns.items() if name in rows and rows[name].notna().any()}


def _row_view(row: dict[str, Any], columns: Columns, tables: str, shown: Shown) -> dict[str, Any]:
    cells: list[dict[str, Any]] = []
    for place, (name, column) in enumerate(columns.items()):
        text, value = cell(row, name, column.kind, shown.words)
        job = next((job for job in made_by(column.job, row, tables) if job in shown.jobs), None) if text else None
        href = f"#{anchor(job)}" if job else ""
        reached = not any(other["href"] == href for other in cells)  # by keyboard: each job of a row once
        seen = {"text": text, "sort": value, "number": column.kind in NUMERIC, "head": place == 0}
        cells.append(seen | {"href": href, "reached": reached, "passage": column.kind == "passage"})
    named = next((name for name, column in columns.items() if column.kind == "job"), None)
    return {"cells": cells, "id": anchor(row[named]) if named else ""}


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


def render(templates: Iterable[Path], **values: Any) -> str:
    """The page. templates: the files of `report/`, of which `page.html.j2` includes the others by name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in templates}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(texts), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(**values)
