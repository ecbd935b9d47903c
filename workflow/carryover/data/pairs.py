"""Pairs of texts, each with a label, from a file of one's own: TSV, CSV or JSON lines, by the names of its columns.

TSV is unquoted: a tab separates, and every other character is text. CSV is quoted as RFC 4180 has it. JSON lines hold an object
each, whose keys are the columns. All are UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from carryover.data import archives
from carryover.runtime.errors import BadInput

Row = dict[str, str] | str  # by column, or why it has none
MOST_NAMED = 12  # columns, languages or splits that a message lists


def read_pairs(
    source: Path, language: str, split: str, columns: Mapping[str, str | None], labels: Mapping[str, int]
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The rows of one language and split, and those that cannot be used as (line number, reason).

    Columns: id and cluster (of the premise) as numbers, premise, hypothesis, target (of `labels`, by the text of the label).
    columns: the file's names of premise, hypothesis, label, language, split, id and premise_id; None for what it has not got.
    Without `language` or `split` every row counts. Texts as ids become numbers, the same in every file, so rows of two
    languages with one id are translations of each other; without ids no rows are. Without `premise_id`, rows with one premise
    are a cluster. Raises BadInput for a missing column, an unknown label, an id given twice, a file without such rows, and
    text that is not UTF-8.
    """
    named = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    wanted = {name: value for name, value in (("language", language), ("split", split)) if name in named}
    seen: dict[str, set[str]] = {name: set() for name in wanted}
    lines: dict[str, int] = {}
    rows: list[tuple[int, str | None, str, str, int]] = []
    unusable: list[tuple[int, str]] = []
    for number, row in _rows(source):
        if isinstance(row, str):
            unusable.append((number, row))
            continue
        if missing := [theirs for theirs in named.values() if theirs not in row]:
            raise BadInput(f"{source}, line {number}: no column {missing[0]!r}; there are: {_some(row)}; see the task's columns")
        values = {ours: row[theirs].strip() for ours, theirs in named.items()}
        for name in wanted:
            seen[name].add(values[name])
        if any(values[name] != value for name, value in wanted.items()):
            continue
        if values["label"] not in labels:
            raise BadInput(
                f"{source}, line {number}: unknown label {values['label']!r}; known: {_some(labels)}; see the task's label_names"
            )
        if lacking := [name for name in ("premise", "hypothesis", "id", "premise_id") if values.get(name) == ""]:
            unusable.append((number, f"no {lacking[0]}"))
            continue
        # What has no id gets one that no other language has: nothing says that it is a translation.
        identity = values.get("id", f"{language} {number}")
        if identity in lines:
            raise BadInput(f"{source}, line {number}: id {identity!r} stands in line {lines[identity]} too")
        lines[identity] = number
        rows.append(
            (_number(identity), values.get("premise_id"), values["premise"], values["hypothesis"], labels[values["label"]])
        )
    for name, value in wanted.items():
        if value not in seen[name]:
            there = f"which has {_some(sorted(seen[name]))}" if seen[name] else "which is empty"
            raise BadInput(f"{source}: no rows of {name} {value!r} in its column {named[name]!r}, {there}")
    table = pd.DataFrame(rows, columns=["id", "cluster", "premise", "hypothesis", "target"])
    # The least id of a premise's rows, so that the order of rows, which may differ between languages, does not matter.
    cluster = table["cluster"].map(_number) if "premise_id" in named else table.groupby("premise")["id"].transform("min")
    return table.assign(cluster=cluster).astype({"id": "int64", "cluster": "int64", "target": "int8"}), unusable


def _number(identity: str) -> int:
    """A number for an id: itself where it is one, else 63 bits of its hash."""
    if identity.isascii() and identity.isdecimal() and len(identity) < 19 and str(int(identity)) == identity:
        return int(identity)
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big") >> 1


def _some(names: Mapping[str, object] | list[str]) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:MOST_NAMED]) + (f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else "")


def _rows(source: Path) -> Iterator[tuple[int, Row]]:
    if source.suffix not in READERS:
        raise BadInput(f"{source}: rows are read from {', '.join(READERS)}, and XNLI's from its archives (.zip)")
    return READERS[source.suffix](source)


def _lines(source: Path) -> Iterator[tuple[int, str]]:
    for number, line in archives.lines(source, None):
        yield number, line.removeprefix("\ufeff") if number == 1 else line


def _tab_separated(source: Path) -> Iterator[tuple[int, Row]]:
    return _with_header(source, ((number, line.split("\t")) for number, line in _lines(source) if line))


def _comma_separated(source: Path) -> Iterator[tuple[int, Row]]:
    return _with_header(source, _records(source))


def _records(source: Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file, each with the number of its first line: one in quotes may go over several."""
    reader, start = csv.reader((f"{line}\n" for _, line in _lines(source)), strict=True), 1
    try:
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{source}, line {start}: not CSV ({error})") from error


def _with_header(source: Path, records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, Row]]:
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"{source}: column {twice[0]!r} stands in its first line twice")
    for number, fields in records:
        whole = len(fields) == len(names)
        yield number, dict(zip(names, fields, strict=True)) if whole else f"{len(fields)} fields of {len(names)}"


def _json_lines(source: Path) -> Iterator[tuple[int, Row]]:
    for number, line in _lines(source):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadInput(f"{source}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise BadInput(f"{source}, line {number}: not an object of columns and their values")
        yield number, {name: value if isinstance(value, str) else _written(value) for name, value in row.items()}


def _written(value: object) -> str:
    """A number as it is written, since labels and ids may be numbers; nothing of null."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)


READERS: dict[str, Callable[[Path], Iterator[tuple[int, Row]]]] = {
    ".tsv": _tab_separated,
    ".csv": _comma_separated,
    ".jsonl": _json_lines,
}
