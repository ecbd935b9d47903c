"""Fine-tuning: any model, as its method left it, on the rows of any task, by the loss of the task's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from carryover.data.sequences import Sequences
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import History, Recipe, train


class Answer(Protocol):
    """What fine-tuning needs of a module of `carryover.answers`."""

    def loss(self, model: Any, data: Any, rows: np.ndarray) -> Tensor:
        """The mean loss over these rows."""

    def score(self, model: Any, data: Any, precision: str) -> Any:
        """What the model answers to every row."""

    def criterion(self, data: Any, scores: Any) -> float:
        """How good that is: the more the better."""


def finetune(
    model: nn.Module,
    answer: Answer,
    data: Sequences,
    dev: Mapping[str, Sequences],
    recipe: Recipe,
    seed: int,
    checkpoints: Checkpoints,
    loop: Callable[..., History] = train,
) -> History:
    """Trains in place the parameters that ask for gradients; the model ends as after its best epoch.

    model: what the answer's `prepare` made of a model to which a method was applied. dev: the sets whose macro-average of the
    answer's criterion decides which epoch is kept, by language. loop: `train`, or another with its arguments, such as that of
    several processes.
    """

    def loss_of(rows: np.ndarray) -> Tensor:
        return answer.loss(model, data, rows)

    def at_epoch_end() -> dict[str, Any]:
        by_language = {
            language: answer.criterion(dataset, answer.score(model, dataset, recipe.precision))
            for language, dataset in dev.items()
        }
        return {"criterion": float(np.mean(list(by_language.values()))), "dev": by_language}

    return loop(model, len(data), loss_of, at_epoch_end, recipe, seed, checkpoints, data.lengths)
