"""Tagging: each word of a sentence gets a tag, such as its part of speech or, in IOB2, its place in a named entity.

Files have a word, a tab and its tag a line, and a blank line between sentences, one file a language and split, alone or in an
archive (as XTREME lays out WikiANN and Universal Dependencies; Hu et al. 2020). The answer is a linear map, trained with the
model, of the hidden state at each word's last token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tokenizers import Tokenizer

from carryover.data import archives, tagged
from carryover.data.subsets import take_subset
from carryover.runtime.errors import BadInput

ANSWER = "tags"
METRICS = {"entity_f1": {"scheme": "iob2"}, "accuracy": {}, "macro_f1": {}}  # each with the options under which it has a meaning
VIEWS = ("full",)
FIELDS = ("words",)


def read(
    sources: Sequence[Path], language: str, splits: Sequence[str], options: Mapping[str, Any]
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """The sentences of each split: id, cluster, words and target (lists); and counts: sentences of the file (rows), used and
    unusable, words, words of each tag (targets), and `I-` tags that continue nothing (stray_inside).

    sources: one archive (`.zip`) for all splits, or one file each. options: members (the file names by split, with
    `{language}`), scheme (`iob2`, `plain`), tags (a list, or None for those that the file has), expected_rows (by split), subset
    and subset_seed (of training sentences).
    """
    tables, counts = {}, {}
    for source, split in zip(_by_split(sources, splits), splits, strict=True):
        member = None
        if source.suffix == ".zip":
            member = archives.find_member(source, options["members"][split].replace("{language}", language))
        table, unusable = tagged.read_sentences(source, member, options["scheme"], options["tags"])
        where = str(source) if member is None else f"{source}: {member}"
        archives.check_rows(where, language, split, len(table), unusable, options["expected_rows"][split])
        rows = len(table) + len(unusable)
        if split == "train":
            table = take_subset(table, options["subset"], options["subset_seed"])
        tags = Counter(tag for row in table["target"] for tag in row)
        stray = sum(map(tagged.stray_inside, table["target"])) if options["scheme"] == "iob2" else 0
        counts[split] = {
            "rows": rows,
            "used": len(table),
            "unusable": len(unusable),
            "words": tags.total(),
            "targets": dict(sorted(tags.items())),
            "stray_inside": stray,
        }
        tables[split] = table
    return tables, counts


def _by_split(sources: Sequence[Path], splits: Sequence[str]) -> list[Path]:
    if len(sources) == 1 and (len(splits) == 1 or sources[0].suffix == ".zip"):
        return list(sources) * len(splits)
    if len(sources) != len(splits):
        raise BadInput(f"{len(sources)} files for the splits {', '.join(splits)}: one archive for all, or a file each")
    return list(sources)


def apply_view(table: pd.DataFrame, view: str, seed: int, language: str) -> pd.DataFrame:
    """The table itself: there is one view, `full`. Raises BadInput for another."""
    if view not in VIEWS:
        raise BadInput(f"the task tagging has no view {view!r}: it has {', '.join(VIEWS)}")
    return table


def encode(
    table: pd.DataFrame, tokenizer: Tokenizer, options: Mapping[str, Any], max_length: int
) -> tuple[tagged.TaggedDataset, dict[str, int]]:
    """The sentences of a table, and counts: rows, words, words_cut. It needs no options."""
    return tagged.encode_sentences(table, tokenizer, max_length)
