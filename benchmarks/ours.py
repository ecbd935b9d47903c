"""The same tasks by this project's own loops, as its jobs run them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from carryover.answers import choice
from carryover.data.prompts import XNLIDataset
from carryover.models.interface import LanguageModel
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import Recipe, epoch_order, train
from carryover.training.pretraining import TextDataset, next_token_loss


def batches(rows: int, recipe: Recipe, updates: int) -> list[np.ndarray]:
    """The first batches that `train` takes with seed 0, for the others to take the same; all of the first epoch."""
    return list(epoch_order(rows, 0, 0, recipe)[: updates * recipe.batch_size].reshape(updates, recipe.batch_size))


def _train(
    model: LanguageModel, rows: int, loss_of: Callable, recipe: Recipe, updates: int, on_step: Callable[[Tensor], None]
) -> None:
    """`on_step` gets the loss of each update once the update is over, which is when the next one asks for its loss."""
    losses: list[Tensor] = []

    def watched(chosen: np.ndarray) -> Tensor:
        if losses:
            on_step(losses[-1].detach())
        losses.append(loss_of(chosen))
        return losses[-1]

    train(model, rows, watched, dict, dataclasses.replace(recipe, max_updates=updates + 1), 0, Checkpoints(None))


def finetune(model: LanguageModel, data: XNLIDataset, recipe: Recipe, updates: int, on_step: Callable[[Tensor], None]) -> None:
    """The first updates of fine-tuning."""
    _train(model, len(data), lambda rows: choice.loss(model, data, rows), recipe, updates, on_step)


def pretrain(model: LanguageModel, data: TextDataset, recipe: Recipe, updates: int, on_step: Callable[[Tensor], None]) -> None:
    """The first updates of pretraining."""
    _train(model, len(data), lambda rows: next_token_loss(model, [data.lines[row] for row in rows]), recipe, updates, on_step)


def synchronise(model: torch.nn.Module) -> None:
    """Waits for the model's device: a clock read before would measure what was asked for, not what was done."""
    if next(model.parameters()).is_cuda:
        torch.cuda.synchronize()
