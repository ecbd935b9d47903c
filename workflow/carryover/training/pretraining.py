"""Pretraining of a small model on lines of text, by next-token prediction over real tokens only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from carryover.data.tokenizer import end_of_text, read_lines
from carryover.models.interface import LanguageModel
from carryover.models.packing import move, pack
from carryover.runtime.errors import BadInput
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import History, Recipe, train


@dataclass(frozen=True)
class TextDataset:
    """Lines of text as token ids, each cut to `length` tokens; a line that is shorter ends with the end-of-text token."""

    lines: Sequence[np.ndarray]
    length: int
    end: int

    @classmethod
    def from_file(cls, path: Path, tokenizer: Tokenizer, length: int) -> TextDataset:
        """The non-empty lines of a UTF-8 file."""
        end = end_of_text(tokenizer)
        encodings = tokenizer.encode_batch(read_lines(path), add_special_tokens=False)
        return cls([np.array([*encoding.ids, end][:length], dtype=np.int64) for encoding in encodings], length, end)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        """The handout's example: ids and mask [length], padded on the right with the end-of-text token."""
        ids = torch.full((self.length,), self.end)
        ids[: len(self.lines[row])] = torch.from_numpy(self.lines[row])
        mask = (torch.arange(self.length) < len(self.lines[row])).long()
        return {"input_ids": ids, "attention_mask": mask}

    def split(self, share: float, seed: int) -> tuple[TextDataset, TextDataset]:
        """A training and a held-out part; the latter has at least one line. Raises BadInput for fewer than two lines."""
        if len(self) < 2:
            raise BadInput("the pretraining text needs at least two lines: one is held out")
        order = np.random.default_rng(seed).permutation(len(self))
        held = max(1, round(share * len(self)))
        parts = (np.sort(order[held:]), np.sort(order[:held]))
        training, held_out = (TextDataset([self.lines[row] for row in part], self.length, self.end) for part in parts)
        return training, held_out


def next_token_loss(model: LanguageModel, lines: Sequence[np.ndarray]) -> Tensor:
    """The mean over all real tokens but each line's first of -log p(token | those before), in nats."""
    device = next(model.parameters()).device
    lines = [line for line in lines if len(line) > 1] or [np.repeat(lines[0][:1], 2)]
    batch = pack([line[:-1] for line in lines]).to(device)
    targets = move(torch.from_numpy(np.concatenate([line[1:] for line in lines])), device)
    return model.next_token_loss(batch, targets)


def published_losses(curve: Sequence[dict[str, float]], data: TextDataset) -> np.ndarray:
    """The quantity that the course publishes, at each point of a loss curve: the average since the start of the loss over
    all positions, padding counted.

    Its models are trained on padding and soon predict it; ours never see it, so a padded position counts as a loss of 0.
    """
    updates = [point["updates"] for point in curve]
    mean = np.cumsum([point["loss"] * count for point, count in zip(curve, updates, strict=True)]) / np.cumsum(updates)
    real = sum(len(line) - 1 for line in data.lines) / (len(data) * (data.length - 1))
    return mean * real


@torch.no_grad()
def validation_loss(model: LanguageModel, data: TextDataset, batch_size: int = 32) -> float:
    """`next_token_loss` over all lines together, without dropout."""
    model.eval()
    total, tokens = 0.0, 0
    for start in range(0, len(data), batch_size):
        lines = [line for line in data.lines[start : start + batch_size] if len(line) > 1]
        if lines:
            count = sum(len(line) - 1 for line in lines)
            total += float(next_token_loss(model, lines)) * count
            tokens += count
    return total / tokens


def pretrain(
    model: LanguageModel, data: TextDataset, held_out: TextDataset, recipe: Recipe, seed: int, checkpoints: Checkpoints
) -> tuple[History, dict[str, Any]]:
    """Trains in place. Returns the history, each epoch with its validation loss, and the final measures in nats."""

    def loss_of(rows: np.ndarray) -> Tensor:
        return next_token_loss(model, [data.lines[row] for row in rows])

    def at_epoch_end() -> dict[str, Any]:
        return {"validation_loss": validation_loss(model, held_out)}

    lengths = np.array([len(line) for line in data.lines])
    history = train(model, len(data), loss_of, at_epoch_end, recipe, seed, checkpoints, lengths)
    for point, published in zip(history.curve, published_losses(history.curve, data), strict=True):
        point["published_loss"] = float(published)
    last = history.epochs[-1]["validation_loss"]
    facts = {
        "train_loss": history.train_loss,
        "validation_loss": last,
        "validation_perplexity": math.exp(last),
        "published_loss": history.curve[-1]["published_loss"],
    }
    return history, facts
