"""XNLI archives to one table per language and split.

The published files have oddities, which are handled here and counted: dev and test hold all languages in one file and
come with more or fewer columns; training text is Moses-tokenised, spells `contradiction` as `contradictory`, can hold
quote characters and U+2028 (so lines end at `\\n` alone and nothing is unquoted), and has rows with too few fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.data import archives
from carryover.runtime.errors import BadInput

SPELLINGS = {"contradictory": "contradiction"}  # of labels in training text
COLUMNS = {  # published name -> ours
    "train": {"premise": "premise", "hypo": "hypothesis", "label": "target"},
    "eval": {
        "language": "language",
        "gold_label": "target",
        "sentence1": "premise",
        "sentence2": "hypothesis",
        "promptID": "cluster",
        "pairID": "id",
        "genre": "genre",
    },
}


def read_split(
    archive: Path, split: str, language: str, labels: Sequence[str], expected_rows: int | None = None
) -> tuple[pd.DataFrame, int]:
    """One split of one language, as published, and how many of its rows cannot be used.

    Columns: id, cluster (of the pair and of its premise; in training text, which has none, the row number), premise,
    hypothesis (text), target (the place among `labels`, the names that there may be), genre. Raises BadInput for a missing
    member, too many unusable rows, or another row count.
    """
    kind = "train" if split == "train" else "eval"
    name = f"multinli.train.{language}.tsv" if split == "train" else f"xnli.{split}.tsv"
    remedy = f"; {language} has no training text in this source: take it out of the task's train_languages"
    member = archives.find_member(archive, name, remedy if split == "train" else "")
    table, unusable = read_xnli_tsv(archive, member, kind, language, labels)
    archives.check_rows(f"{archive}: {member}", language, split, len(table), unusable, expected_rows)
    return table, len(unusable)


def read_xnli_tsv(
    archive: Path, member: str, kind: str, language: str, labels: Sequence[str]
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The rows of one member, by column name, and the rows that cannot be used as (line number, reason).

    kind: `train` or `eval`; of an `eval` file only the rows of `language`. Raises BadInput for a missing column, an
    unknown label or text that is not UTF-8.
    """
    columns = COLUMNS[kind]
    rows: dict[str, list[Any]] = {name: [] for name in ("id", "cluster", "premise", "hypothesis", "target", "genre")}
    unusable: list[tuple[int, str]] = []
    lines = archives.lines(archive, member)
    _, header = next(lines, (1, ""))
    names = header.split("\t")
    missing = [name for name in columns if name not in names and name != "genre"]
    if missing:
        raise BadInput(f"{archive}: {member}: no column {missing[0]!r} in its first line")
    places = {ours: names.index(theirs) for theirs, ours in columns.items() if theirs in names}
    for number, line in lines:
        fields = line.split("\t")
        if "language" in places and fields[min(places["language"], len(fields) - 1)] != language:
            continue
        if len(fields) <= max(place for ours, place in places.items() if ours != "genre"):
            unusable.append((number, f"{len(fields)} fields of {len(names)}"))
            continue
        row = {ours: fields[place].strip() if place < len(fields) else "" for ours, place in places.items()}
        label = SPELLINGS.get(row["target"], row["target"])
        if label not in labels:
            known = ", ".join([*labels, *SPELLINGS])
            raise BadInput(f"{archive}: {member}, line {number}: unknown label {row['target']!r}; known: {known}")
        if not row["premise"] or not row["hypothesis"]:
            unusable.append((number, "no premise" if row["hypothesis"] else "no hypothesis"))
            continue
        identity = (row.get("id", str(number - 1)), row.get("cluster", str(number - 1)))
        if not all(part.isdecimal() for part in identity):
            unusable.append((number, f"pair or prompt id is not a number: {identity}"))
            continue
        rows["id"].append(int(identity[0]))
        rows["cluster"].append(int(identity[1]))
        rows["premise"].append(row["premise"])
        rows["hypothesis"].append(row["hypothesis"])
        rows["target"].append(labels.index(label))
        rows["genre"].append(row.get("genre", ""))
    return pd.DataFrame(rows).astype({"target": "int8", "id": "int64", "cluster": "int64"}), unusable


def prepare_text(table: pd.DataFrame, language: str, moses: bool, join: bool) -> pd.DataFrame:
    """The table with premise and hypothesis as models read them, and as published under `published_*`.

    moses: undo the Moses tokenisation that the text has. join: remove its spaces instead, where a language is written without.
    """
    detokenizer = None
    if moses and not join:
        from sacremoses import MosesDetokenizer  # here, because its import takes longer than reading a dev set

        detokenizer = MosesDetokenizer(lang=language)
    table = table.assign(published_premise=table["premise"], published_hypothesis=table["hypothesis"])
    for column in ("premise", "hypothesis"):
        if join:
            table[column] = [text.replace(" ", "") for text in table[column]]
        elif detokenizer:
            table[column] = [detokenizer.detokenize(text.split(" ")) for text in table[column]]
    return table
