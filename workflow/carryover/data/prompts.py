"""Prompts as token ids: the table that training and prediction read.

Each row's prompt is tokenised whole, once. A label is one more token after the prompt, and it is never cut off: where a
prompt is too long, the premise loses its end, and after it the hypothesis.
"""

from __future__ import annotations

import logging
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from safetensors.numpy import save
from tokenizers import Encoding, Tokenizer

from carryover.runtime import files
from carryover.runtime.errors import BadInput

if TYPE_CHECKING:
    import torch

log = logging.getLogger("carryover")
CHECKED_IN_CONTEXT = 100  # rows on which each label is tokenised after its prompt
ROWS_AT_ONCE = 10_000  # prompts that are tokenised together: an encoding holds far more than its ids


@dataclass(frozen=True)
class XNLIDataset:
    """Tokenised prompts of one or more files.

    PyTorch is imported where tensors are asked for: its import would be most of the time of a job that only tokenises.

    ids: all prompts in a row; offsets [n + 1]: where each begins; labels [n]: 0, 1 or 2; label_tokens [3]: the token of
    each label; pair_ids, premise_ids [n]: the example and the premise it shares with others of its file.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    label_tokens: np.ndarray
    pair_ids: np.ndarray
    premise_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each prompt, without its label."""
        return np.diff(self.offsets)

    def prompt(self, row: int) -> np.ndarray:
        """The token ids of one prompt."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """The label tokens of these rows."""
        return self.label_tokens[self.labels[rows]]

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        """The handout's example: prompt and label as `input_ids`, and `labels` of -100 but for the last token."""
        import torch

        answer = self.label_tokens[self.labels[row]]
        ids = torch.from_numpy(np.append(self.prompt(row), answer).astype(np.int64))
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


def load_tokens(paths: Sequence[Path]) -> XNLIDataset:
    """The rows of these files, one after the other; a single file stays on disk and is mapped into memory.

    Raises BadInput where a file is damaged.
    """
    from safetensors.torch import load_file

    parts = []
    for path in paths:
        with files.reading(path):
            parts.append({name: tensor.numpy() for name, tensor in load_file(path).items()})
    if len(parts) == 1:
        return XNLIDataset(**parts[0])
    starts = np.cumsum([0, *(part["offsets"][-1] for part in parts)])
    return XNLIDataset(
        ids=np.concatenate([part["ids"] for part in parts]),
        offsets=np.concatenate([[0], *(part["offsets"][1:] + start for part, start in zip(parts, starts, strict=False))]),
        labels=np.concatenate([part["labels"] for part in parts]),
        label_tokens=parts[0]["label_tokens"],
        pair_ids=np.concatenate([part["pair_ids"] for part in parts]),
        premise_ids=np.concatenate([part["premise_ids"] for part in parts]),
    )


def tokenize(
    table: pd.DataFrame, tokenizer: Tokenizer, template: str, labels: Sequence[str], max_length: int
) -> tuple[XNLIDataset, dict[str, int]]:
    """The prompts of a corpus table, and counts: `rows`, `premise_cut`, `hypothesis_cut`.

    labels: the text of each label. max_length: the most tokens of a prompt with its label. Raises BadInput for a
    template without its two fields and for a label that is not one token after the prompt.
    """
    before, middle, after = split_template(template)
    pairs = list(zip(table["premise"], table["hypothesis"], strict=True))
    rows: list[np.ndarray] = []
    counts = {"rows": len(table), "premise_cut": 0, "hypothesis_cut": 0}
    for start in range(0, len(pairs), ROWS_AT_ONCE):
        chunk = pairs[start : start + ROWS_AT_ONCE]
        prompts = [f"{before}{premise}{middle}{hypothesis}{after}" for premise, hypothesis in chunk]
        if start == 0:
            label_tokens = [label_token(tokenizer, prompts[:CHECKED_IN_CONTEXT], label) for label in labels]
        for encoding, (premise, hypothesis) in zip(tokenizer.encode_batch(prompts, add_special_tokens=False), chunk, strict=True):
            ids = np.array(encoding.ids, dtype=np.int32)
            excess = len(ids) + 1 - max_length
            if excess > 0:
                spans = [(len(before), len(premise)), (len(before) + len(premise) + len(middle), len(hypothesis))]
                ids, cut = _shorten(ids, encoding, spans, excess)
                counts["premise_cut"] += cut[0]
                counts["hypothesis_cut"] += cut[1]
            rows.append(ids)
    dataset = XNLIDataset(
        ids=np.concatenate(rows),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        labels=table["label"].to_numpy(np.int64),
        label_tokens=np.array(label_tokens, dtype=np.int64),
        pair_ids=table["pair_id"].to_numpy(np.int64),
        premise_ids=table["premise_id"].to_numpy(np.int64),
    )
    return dataset, counts


def save_tokens(dataset: XNLIDataset, path: Path) -> None:
    """Writes the dataset as one safetensors file, whole."""
    files.write_bytes(path, save({name: np.ascontiguousarray(value) for name, value in vars(dataset).items()}))


def split_template(template: str) -> tuple[str, str, str]:
    """What stands before the premise, between premise and hypothesis, and after. Raises BadInput for another form."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BadInput(f"tokens.templates: {template!r}: {error}") from error
    fields = [field for _, field, _, _ in parts if field is not None]
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if fields != ["premise", "hypothesis"] or not plain:
        raise BadInput(f"tokens.templates: {template!r} needs {{premise}} and then {{hypothesis}}, once each")
    between = ["", "", ""]  # a doubled brace splits what stands before a field in two
    place = 0
    for literal, field, _, _ in parts:
        between[place] += literal
        place += field is not None
    return between[0], between[1], between[2]


def label_token(tokenizer: Tokenizer, prompts: Sequence[str], label: str) -> int:
    """The one token that `label` is after each of these prompts. Raises BadInput where it is not one, or differs."""
    found = set()
    for prompt in prompts:
        alone = tokenizer.encode(prompt, add_special_tokens=False).ids
        both = tokenizer.encode(prompt + label, add_special_tokens=False).ids
        if both[: len(alone)] != alone or len(both) != len(alone) + 1:
            raise BadInput(
                f"label {label!r} is not exactly one token after its prompt for this tokeniser "
                f"({tokenizer.get_vocab_size()} entries): {tokenizer.encode(label).tokens}; change tokens.labels or the template"
            )
        found.add(both[-1])
    if len(found) != 1:
        raise BadInput(f"label {label!r} is a different token after different prompts; change tokens.labels or the template")
    return found.pop()


def _shorten(ids: np.ndarray, encoding: Encoding, spans: list[tuple[int, int]], excess: int) -> tuple[np.ndarray, list[bool]]:
    """Without `excess` tokens from the end of the premise and, where that is not enough, of the hypothesis; which were cut."""
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
        raise BadInput("tokens.max_length is too short for the prompt's own words")
    return ids[keep], cuts


def apply_view(table: pd.DataFrame, view: str, seed: int) -> pd.DataFrame:
    """The table as a control sees it: `full`, `hypothesis` (no premise) or `shuffled` (each premise another's).

    Shuffling moves whole premises: the hypotheses that shared one share the new one, and no premise stays.
    """
    if view == "hypothesis":
        return table.assign(premise="")
    if view == "shuffled":
        first = table.drop_duplicates("premise_id")
        order = np.random.default_rng(seed).permutation(len(first))
        # A rotation of a random order leaves nobody in place.
        other = dict(zip(first["premise_id"].to_numpy()[order], first["premise"].to_numpy()[np.roll(order, 1)], strict=True))
        return table.assign(premise=table["premise_id"].map(other))
    return table
