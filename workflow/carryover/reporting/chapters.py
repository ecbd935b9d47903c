"""What a chapter declares in its `chapter.yaml`: its title, its sections, and in them its tables, figures and sentences.

This is the one place where a table or figure is declared. The rules take the names of files from here, the page its order
and headings, LaTeX its columns and captions. Functions are named as `module.function`, modules of the chapter's own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema

from carryover.planning.yaml_files import read_yaml
from carryover.reporting.columns import Column, Columns, declared_columns, shared_columns
from carryover.runtime.errors import BadInput

DATA_FILES = ("chapter.schema.yaml",)
FOLDER = Path(__file__).resolve().parents[2] / "chapters"
FILE = "chapter.yaml"


@dataclass(frozen=True)
class Table:
    """columns: those shown, in their order; none for a table that is only a file. printed: those of them in LaTeX. optional:
    where it has no rows, nothing stands in its place."""

    name: str
    function: str = ""
    title: str = ""
    caption: str = ""
    columns: Columns = field(default_factory=dict)
    printed: tuple[str, ...] = ()
    optional: bool = False
    unfolded: bool = False
    published: str | None = None


@dataclass(frozen=True)
class Figure:
    name: str
    function: str
    caption: str


@dataclass(frozen=True)
class Sentences:
    """Functions of the tables that return sentences: a paragraph each, or, with `points`, a list each."""

    functions: tuple[str, ...]
    points: bool = False
    each_model_of: str | None = None


@dataclass(frozen=True)
class Text:
    text: str


Content = Table | Figure | Sentences | Text


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    contents: tuple[Content, ...]


@dataclass(frozen=True)
class Chapter:
    name: str
    title: str
    sections: tuple[Section, ...]

    def contents(self, kind: type[Content]) -> Iterator[Any]:
        """The tables, figures, sentences or texts of all sections, in their order."""
        return (content for section in self.sections for content in section.contents if isinstance(content, kind))

    @property
    def tables(self) -> dict[str, Table]:
        return {table.name: table for table in self.contents(Table)}

    @property
    def figures(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.contents(Figure)}

    def functions(self, kind: type[Table] | type[Figure]) -> dict[str, str]:
        """`module.function` by the name of the table or figure."""
        return {content.name: content.function for content in self.contents(kind)}

    def with_columns(self, table: str, columns: Columns) -> Chapter:
        """The chapter with further columns of one table, of which no file can know the names."""

        def more(content: Content) -> Content:
            if isinstance(content, Table) and content.name == table:
                return replace(content, columns=content.columns | columns)
            return content

        sections = (replace(section, contents=tuple(map(more, section.contents))) for section in self.sections)
        return replace(self, sections=tuple(sections))

    def filled(self, fill: Callable[[str], str]) -> Chapter:
        """The chapter with every text that a reader sees as `fill` makes it: titles, captions, headings of columns."""

        def content_of(content: Content) -> Content:
            if isinstance(content, Table):
                columns = {name: column._replace(label=fill(column.label)) for name, column in content.columns.items()}
                return replace(content, title=fill(content.title), caption=fill(content.caption), columns=columns)
            if isinstance(content, Figure):
                return replace(content, caption=fill(content.caption))
            return replace(content, text=fill(content.text)) if isinstance(content, Text) else content

        sections = (
            replace(section, title=fill(section.title), contents=tuple(map(content_of, section.contents)))
            for section in self.sections
        )
        return replace(self, sections=tuple(sections))

    @property
    def said(self) -> list[str]:
        """`module.function` of every sentence."""
        return [function for sentences in self.contents(Sentences) for function in sentences.functions]


def read_chapter(path: Path) -> Chapter:
    """The chapter declared in this file, named after its folder. Raises BadInput with the first thing that is wrong."""
    declared = read_yaml(path)
    (schema,) = DATA_FILES
    validator = jsonschema.Draft202012Validator(read_yaml(Path(__file__).with_name(schema)))
    for error in sorted(validator.iter_errors(declared), key=lambda error: len(error.absolute_path), reverse=True):
        raise BadInput(f"{path}: {'.'.join(map(str, error.absolute_path)) or 'top level'}: {error.message}")
    known = shared_columns() | {name: Column(**facts) for name, facts in declared.get("columns", {}).items()}
    sections = []
    for section in declared["sections"]:
        try:
            contents = tuple(_content(entry, known) for entry in section["contents"])
        except (KeyError, TypeError) as error:
            raise BadInput(f"{path}: section {section['name']}: no such column, or one without label or kind: {error}") from error
        sections.append(Section(section["name"], section["title"], contents))
    chapter = Chapter(path.parent.name, declared["title"], tuple(sections))
    _check(chapter, path)
    return chapter


def _content(entry: dict[str, Any], known: Mapping[str, Column]) -> Content:
    if "table" in entry:
        facts = {name: value for name, value in entry.items() if name != "table"}
        facts["columns"] = declared_columns(entry.get("columns", []), known)
        return Table(entry["table"], **facts | {"printed": tuple(entry.get("printed", ()))})
    if "figure" in entry:
        return Figure(entry["figure"], entry["function"], entry["caption"])
    if "text" in entry:
        return Text(entry["text"])
    functions = entry["points" if "points" in entry else "sentences"]
    return Sentences(tuple(functions), "points" in entry, entry.get("each_model_of"))


def _check(chapter: Chapter, path: Path) -> None:
    """Names that stand once, and names that must be there."""
    for kind in (Table, Figure):
        names = [content.name for content in chapter.contents(kind)]
        if again := next((name for name in names if names.count(name) > 1), None):
            raise BadInput(f"{path}: {again} is declared twice")
    for table in chapter.tables.values():
        if absent := next((name for name in table.printed if name not in table.columns), None):
            raise BadInput(f"{path}: table {table.name}: printed column {absent} is not among its columns")
    for sentences in chapter.contents(Sentences):
        if sentences.each_model_of and sentences.each_model_of not in chapter.tables:
            raise BadInput(f"{path}: each_model_of: there is no table {sentences.each_model_of}")
