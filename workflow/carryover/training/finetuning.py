"""Fine-tuning: any model, as its method left it, on the rows of any task, by the loss of the task's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from carryover.data.sequences import Sequences
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import History, Recipe, epoch_order, train


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


def split_recipe(recipe: Mapping[str, Any]) -> tuple[Recipe, float, dict[str, Any]]:
    """A recipe of the config as what the loop takes, the model's dropout, and the options of the method."""
    rest = {name: value for name, value in recipe.items() if name not in ("method", "view", "dropout", recipe["method"])}
    return Recipe(**rest), recipe["dropout"], dict(recipe.get(recipe["method"], {}))


def training_facts(model: nn.Module, data: Sequences, recipe: Recipe, seed: int, history: History) -> dict[str, Any]:
    """What a run saw and took: rows, examples, updates, tokens, losses, weights, seconds."""
    examples = int(history.curve[-1]["examples"])
    epochs, rest = divmod(examples, len(data))  # a limit on the updates can cut the last epoch
    last = epoch_order(len(data), seed, epochs, recipe, data.lengths)
    weights = list(model.parameters())
    return {
        "rows": len(data),
        "examples": examples,
        "updates": history.curve[-1]["step"],
        "tokens": int(epochs * data.lengths.sum() + data.lengths[last[:rest]].sum()),
        "train_loss": history.train_loss,
        "best_epoch": history.best_epoch,
        "dev_criterion": history.epochs[history.best_epoch - 1]["criterion"],
        "parameters": sum(weight.numel() for weight in weights),
        "trained_parameters": sum(weight.numel() for weight in weights if weight.requires_grad),
        "seconds": round(history.seconds, 1),
    }
