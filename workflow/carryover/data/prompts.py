"""Prompts with candidate answers as token ids.

Each row's prompt is tokenised whole, once. A candidate is one more token after the prompt, and it is never cut off: where a
prompt is too long, its first field loses its end, and after it the next one. Where the tokeniser's own use begins a text with
a token, the prompt does.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tokenizers import Encoding, Tokenizer

from carryover.data.sequences import Sequences
from carryover.data.tokenizer import beginning
from carryover.runtime.errors import BadInput

if TYPE_CHECKING:
    import torch

CHECKED_IN_CONTEXT = 100  # rows on which each label is tokenised after its prompt
ROWS_AT_ONCE = 10_000  # prompts that are tokenised together: an encoding holds far more than its ids


@dataclass(frozen=True)
class XNLIDataset(Sequences):
    """Prompts, each with the same K candidates of which one is right.

    targets [n]: the right candidate, 0 to K - 1; candidates [K]: the token of each.
    """

    targets: np.ndarray
    candidates: np.ndarray

    SHARED = ("candidates",)

    def answers(self, rows: np.ndarray) -> np.ndarray:
        """The tokens of the right candidates of these rows."""
        return self.candidates[self.targets[rows]]

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        """The handout's example: prompt and label as `input_ids`, and `labels` of -100 but for the last token."""
        import torch

        answer = self.candidates[self.targets[row]]
        ids = torch.from_numpy(np.append(self.sequence(row), answer).astype(np.int64))
        labels = torch.full_like(ids, -100)
        labels[-1] = ids[-1]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    @staticmethod
    def collate_fn(examples: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Examples padded on the right to the longest: ids and mask with 0, labels with -100."""
        import torch

        fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
        return {
            name: torch.nn.utils.rnn.pad_sequence([example[name] for example in examples], True, value)
            for name, value in fill.items()
        }


def tokenize(
    table: pd.DataFrame, tokenizer: Tokenizer, template: str, fields: Sequence[str], labels: Sequence[str], max_length: int
) -> tuple[XNLIDataset, dict[str, int]]:
    """The prompts of a corpus table (id, cluster, target and the fields), and counts: `rows`, and `<field>_cut` of each field.

    fields: columns of text, in the order in which the template has them and loses them. labels: the text of each candidate.
    max_length: the most tokens of a prompt with its label. Raises BadInput for a template without its fields and for a label
    that is not one token after the prompt.
    """
    between, begin = split_template(template, fields), np.array(beginning(tokenizer), dtype=np.int32)
    texts = list(zip(*(table[field] for field in fields), strict=True))
    rows: list[np.ndarray] = []
    label_tokens: list[int] = []
    cuts = np.zeros(len(fields), dtype=int)
    for start in range(0, len(texts), ROWS_AT_ONCE):
        chunk = texts[start : start + ROWS_AT_ONCE]
        prompts = [_fill(between, row) for row in chunk]
        if start == 0:
            label_tokens = [label_token(tokenizer, prompts[:CHECKED_IN_CONTEXT], label) for label in labels]
        for encoding, row in zip(tokenizer.encode_batch(prompts, add_special_tokens=False), chunk, strict=True):
            ids = np.array(encoding.ids, dtype=np.int32)
            excess = len(begin) + len(ids) + 1 - max_length
            if excess > 0:
                ids, cut = _shorten(ids, encoding, _spans(between, row), excess)
                cuts += cut
            rows.append(np.concatenate([begin, ids]) if len(begin) else ids)
    dataset = XNLIDataset(
        ids=np.concatenate(rows),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        row_ids=table["id"].to_numpy(np.int64),
        clusters=table["cluster"].to_numpy(np.int64),
        targets=table["target"].to_numpy(np.int64),
        candidates=np.array(label_tokens, dtype=np.int64),
    )
    counts = {f"{field}_cut": int(count) for field, count in zip(fields, cuts, strict=True)}
    return dataset, {"rows": len(table), **counts}


def split_template(template: str, fields: Sequence[str]) -> list[str]:
    """What stands before the first field, between each two, and after the last. Raises BadInput for another form."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BadInput(f"template {template!r}: {error}") from error
    found = [field for _, field, _, _ in parts if field is not None]
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if found != list(fields) or not plain:
        needed = " and then ".join(f"{{{field}}}" for field in fields)
        raise BadInput(f"template {template!r} needs {needed}, once each")
    between = [""] * (len(fields) + 1)  # a doubled brace splits what stands before a field in two
    place = 0
    for literal, field, _, _ in parts:
        between[place] += literal
        place += field is not None
    return between


def _fill(between: Sequence[str], texts: Sequence[str]) -> str:
    return between[0] + "".join(text + after for text, after in zip(texts, between[1:], strict=True))


def _spans(between: Sequence[str], texts: Sequence[str]) -> list[tuple[int, int]]:
    """Where the text of each field begins in its prompt, and its length."""
    spans, start = [], 0
    for before, text in zip(between, texts, strict=False):
        start += len(before)
        spans.append((start, len(text)))
        start += len(text)
    return spans


def label_token(tokenizer: Tokenizer, prompts: Sequence[str], label: str) -> int:
    """The one token that `label` is after each of these prompts. Raises BadInput where it is not one, or differs."""
    found = set()
    for prompt in prompts:
        alone = tokenizer.encode(prompt, add_special_tokens=False).ids
        both = tokenizer.encode(prompt + label, add_special_tokens=False).ids
        if both[: len(alone)] != alone or len(both) != len(alone) + 1:
            raise BadInput(
                f"label {label!r} is not exactly one token after its prompt for this tokeniser "
                f"({tokenizer.get_vocab_size()} entries): {tokenizer.encode(label).tokens}; change the task's labels or template"
            )
        found.add(both[-1])
    if len(found) != 1:
        raise BadInput(f"label {label!r} is a different token after different prompts; change the task's labels or template")
    return found.pop()


def _shorten(ids: np.ndarray, encoding: Encoding, spans: list[tuple[int, int]], excess: int) -> tuple[np.ndarray, list[bool]]:
    """Without `excess` tokens from the end of the first field and, where that is not enough, of the next; which were cut."""
    offsets = np.array(encoding.offsets)
    keep = np.ones(len(ids), dtype=bool)
    cuts = []
    for start, length in spans:
        inside = np.flatnonzero((offsets[:, 0] >= start) & (offsets[:, 1] <= start + length))
        gone = inside[max(0, len(inside) - excess) :]
        keep[gone] = False
        excess -= len(gone)
        cuts.append(len(gone) > 0)
    if excess > 0:
        raise BadInput("max_length is too short for the prompt's own words")
    return ids[keep], cuts
