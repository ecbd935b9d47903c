"""Sentences of words, each with a tag: read from files of a word and its tag a line, and as token ids.

A word is answered at its last token: a causal model has not read the word before that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from carryover.data import archives
from carryover.data.sequences import Sequences
from carryover.data.tokenizer import beginning
from carryover.runtime.errors import BadInput

OUTSIDE = "O"
IOB2 = re.compile(r"O|[BI]-\S+")
CUT = -1  # the place of the last token of a word that the sentence lost to its limit


def read_sentences(
    source: Path, member: str | None, scheme: str, tags: Collection[str] | None
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The sentences of a file, columns id, cluster (both the number of the sentence), words and target (lists), and those that
    cannot be used as (line number, reason).

    A line is a word, a tab and its tag; a blank line ends a sentence; a line that begins with `#` and has no tab is a comment.
    scheme: `iob2` or `plain`; tags: those that there may be, None for any. Raises BadInput for a tag that there may not be.
    """
    where = source if member is None else f"{source}: {member}"
    rows: list[tuple[int, int, list[str], list[str]]] = []
    unusable: list[tuple[int, str]] = []
    for sentence, block in enumerate(_blocks(archives.lines(source, member))):
        pairs = [[field.strip() for field in line.split("\t")] for _, line in block]
        bad = [place for place, pair in enumerate(pairs) if len(pair) != 2 or not all(pair)]
        if bad:
            unusable.append((block[bad[0]][0], "not a word, a tab and a tag"))
            continue
        for (number, _), (_, tag) in zip(block, pairs, strict=True):
            if scheme == "iob2" and not IOB2.fullmatch(tag):
                raise BadInput(f"{where}, line {number}: {tag!r} is no IOB2 tag: O, B-<type> or I-<type>")
            if tags is not None and tag not in tags:
                raise BadInput(f"{where}, line {number}: unknown tag {tag!r}; known: {', '.join(tags)}")
        rows.append((sentence, sentence, [word for word, _ in pairs], [tag for _, tag in pairs]))
    return pd.DataFrame(rows, columns=["id", "cluster", "words", "target"]).astype({"id": "int64", "cluster": "int64"}), unusable


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines by sentence, without comments and blank lines."""
    block: list[tuple[int, str]] = []
    for number, line in lines:
        if line.strip() and not (line.startswith("#") and "\t" not in line):
            block.append((number, line))
        elif not line.strip() and block:
            yield block
            block = []
    if block:
        yield block


def stray_inside(tags: Sequence[str]) -> int:
    """How many `I-` tags of a sentence continue no span of their type: strict IOB2 has no entity there."""
    before = [OUTSIDE, *tags]
    return sum(tag.startswith("I-") and last[2:] != tag[2:] for last, tag in zip(before, tags, strict=False))


@dataclass(frozen=True)
class TaggedDataset(Sequences):
    """Sentences as token ids, with W words in all.

    word_offsets [n + 1]: where the words of each sentence begin; word_ends [W]: the place of each word's last token in its
    sentence, `CUT` where it was cut off; targets [W]: the tag of each word, an index into `tags`.
    """

    word_offsets: np.ndarray
    word_ends: np.ndarray
    targets: np.ndarray
    tags: tuple[str, ...]

    SHARED = ("tags",)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The sentences of these, one after the other; their tags are those of any of them."""
        tags = parts[0].tags
        if any(part.tags != tags for part in parts):
            tags = tuple(sorted({tag for part in parts for tag in part.tags}))
            places = [np.array([tags.index(tag) for tag in part.tags]) for part in parts]
            parts = [replace(part, targets=place[part.targets], tags=tags) for part, place in zip(parts, places, strict=True)]
        return super().joined(parts)

    @cached_property
    def words_a_row(self) -> float:
        """Words of a sentence that can be answered, on average."""
        return float((self.word_ends != CUT).sum()) / len(self)

    def answered(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The words of these rows that can be answered: where their last tokens stand when the rows' tokens follow each other,
        and their numbers among the W words."""
        starts = np.cumsum([0, *self.lengths[rows]])
        places, words = [], []
        for start, row in zip(starts, rows, strict=False):
            theirs = np.arange(self.word_offsets[row], self.word_offsets[row + 1])
            theirs = theirs[self.word_ends[theirs] != CUT]
            places.append(start + self.word_ends[theirs])
            words.append(theirs)
        return np.concatenate(places), np.concatenate(words)


def encode_sentences(table: pd.DataFrame, tokenizer: Tokenizer, max_length: int) -> tuple[TaggedDataset, dict[str, int]]:
    """Sentences as token ids, and counts: rows, words, words_cut. Words are joined by spaces, so that no token is of two.

    max_length: the most tokens of a sentence, with the one that a text begins with where the tokeniser's own use has such;
    words that do not end within it are cut off and keep their place among the words.
    """
    sentences = [list(words) for words in table["words"]]
    tags = tuple(sorted({tag for row in table["target"] for tag in row}))
    numbers = {tag: number for number, tag in enumerate(tags)}
    begin = beginning(tokenizer)
    ids, ends = [], []
    for words, encoding in zip(
        sentences, tokenizer.encode_batch([" ".join(words) for words in sentences], add_special_tokens=False), strict=True
    ):
        kept = np.array([*begin, *encoding.ids][:max_length], dtype=np.int32)
        letters = np.cumsum([len(word) + 1 for word in words]) - 1  # where each word ends in the text
        begins = np.array([begin for begin, _ in encoding.offsets])
        last = len(begin) + np.searchsorted(begins, letters, side="left") - 1
        ids.append(kept)
        ends.append(np.where(last < len(kept), last, CUT))
    data = TaggedDataset(
        ids=np.concatenate(ids),
        offsets=np.cumsum([0, *map(len, ids)]).astype(np.int64),
        row_ids=table["id"].to_numpy(np.int64),
        clusters=table["cluster"].to_numpy(np.int64),
        word_offsets=np.cumsum([0, *map(len, sentences)]).astype(np.int64),
        word_ends=np.concatenate(ends).astype(np.int64),
        targets=np.array([numbers[tag] for row in table["target"] for tag in row], dtype=np.int64),
        tags=tags,
    )
    cut = int((data.word_ends == CUT).sum())
    return data, {"rows": len(table), "words": len(data.word_ends), "words_cut": cut}
