"""The training loop, for pretraining and fine-tuning alike.

The order of the examples is a function of seed and epoch alone, dropout of the seed, and a checkpoint holds everything
else, so that a run that was killed ends in the same bits as one that was not. Losses stay on the device until a window
of updates is over: no step waits for the one before it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carryover.runtime import signals
from carryover.runtime.errors import BadInput
from carryover.runtime.progress import progress
from carryover.training.adamw import FusedAdamW
from carryover.training.checkpoints import Checkpoints

log = logging.getLogger("carryover")
POOL = 50  # batches by length: how many are sorted together, few enough that each epoch's batches are others
WINDOW = 50  # updates between two points of the loss curve, and between two checks that the loss is a number


@dataclass(frozen=True)
class Recipe:
    """How to train. lr: the peak; warmup: the share of the updates over which it rises; clip: the largest gradient norm, 0
    for any; schedule: `constant`, `linear` or `cosine` after the warm-up; precision: `fp32` or `bf16`; max_updates: where
    training ends although epochs are left; batches: `shuffled`, or `by_length`, where rows of like length meet in a batch;
    micro_batch_size: most rows in the model at a time, of which an update's gradients are added up; None: the whole batch."""

    lr: float
    batch_size: int
    epochs: int
    weight_decay: float
    betas: tuple[float, float]
    eps: float
    warmup: float
    schedule: str
    clip: float
    precision: str
    max_updates: int | None = None
    batches: str = "shuffled"
    micro_batch_size: int | None = None


@dataclass
class History:
    """What a run leaves beside its weights: points of the loss curve, one entry an epoch, and the epoch that was kept."""

    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0

    @property
    def train_loss(self) -> float:
        """The mean loss of all updates since the start, in nats."""
        return float(np.average([point["loss"] for point in self.curve], weights=[point["updates"] for point in self.curve]))


Loss = Callable[[np.ndarray], Tensor]  # rows of the data to the mean loss over them
EndOfEpoch = Callable[[], dict[str, Any]]  # facts about the model; `criterion`, where there, decides which epoch is kept
Apart = Callable[[], AbstractContextManager[Any]]  # in which gradients stay in the process


def train(
    model: nn.Module,
    rows: int,
    loss_of: Loss,
    at_epoch_end: EndOfEpoch,
    recipe: Recipe,
    seed: int,
    checkpoints: Checkpoints,
    lengths: np.ndarray | None = None,
    apart: Apart = nullcontext,
) -> History:
    """Trains in place what requires gradients; the model ends as after its best epoch (the last, where epochs have no
    criterion).

    lengths: the tokens of each row, for batches by length. apart: what all micro-batches of an update but its last run in.

    Raises BadInput where nothing requires gradients, and where the loss stops being a number, within `WINDOW` updates of it.
    """
    device = next(model.parameters()).device
    torch.manual_seed(seed)
    parameters = list(trained(model).values())
    if not parameters:
        raise BadInput("nothing of this model trains: its method, or its choice of parts, leaves no parameter to train")
    optimizer = FusedAdamW(parameters, recipe.lr, recipe.betas, recipe.eps, recipe.weight_decay)
    per_epoch = math.ceil(rows / recipe.batch_size)
    total = min(per_epoch * recipe.epochs, recipe.max_updates or per_epoch * recipe.epochs)
    history, update, best = History(), 0, None
    window: list[Tensor] = []
    if state := checkpoints.load():
        update, best, window = _restore(state, model, optimizer, history, device)
    started = time.monotonic() - history.seconds
    order_of: tuple[int, np.ndarray] = (-1, np.empty(0))
    model.train()
    with progress("training", total, update) as counter, signals.deferred():
        while update < total:
            epoch, batch = divmod(update, per_epoch)
            if order_of[0] != epoch:
                order_of = (epoch, epoch_order(rows, seed, epoch, recipe, lengths))
            chosen = order_of[1][batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            lr = learning_rate(recipe, update, total)
            for group in optimizer.param_groups:
                group["lr"] = lr
            ends = (update + 1) % per_epoch == 0 or update + 1 == total
            point_due = len(window) + 1 == WINDOW or ends
            loss = accumulate(loss_of, chosen, recipe, device, apart)
            if recipe.clip:
                torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
            window.append(loss)
            update += 1
            if point_due:
                mean = _checked_mean(window, update, lr, batch)
                examples = epoch * rows + min((batch + 1) * recipe.batch_size, rows)
                point = {"step": update, "epoch": update / per_epoch, "examples": examples, "lr": lr, "loss": mean}
                history.curve.append({**point, "updates": len(window)})
                window = []
                counter.advance(update - counter.done, loss=mean, lr=lr)
            if ends:
                best = _end_epoch(model, epoch + 1, at_epoch_end(), history, best)
                model.train()
            if update < total and checkpoints.due() and _is_finite(parameters):
                history.seconds = time.monotonic() - started
                checkpoints.save(update, _state(model, optimizer, history, update, best, window, device))
    history.seconds = time.monotonic() - started
    if best is not None:
        _put_back(model, best)
    return history


def accumulate(loss_of: Loss, rows: np.ndarray, recipe: Recipe, device: torch.device, apart: Apart = nullcontext) -> Tensor:
    """Adds the gradients of the mean loss over these rows to the parameters, a micro-batch after the other; returns that loss.

    A micro-batch counts by its rows, so that a smaller last one counts less. Each draws its dropout where the one before
    stopped: masks follow from the seed and from the size of the micro-batches.
    """
    size = recipe.micro_batch_size or len(rows)
    losses = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        with apart() if start + size < len(rows) else nullcontext():
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                loss = loss_of(part)
            if len(part) < len(rows):
                loss = loss * (len(part) / len(rows))
            loss.backward()
        losses.append(loss.detach())
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training moves, by name: those that require gradients."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def epoch_order(rows: int, seed: int, epoch: int, recipe: Recipe, lengths: np.ndarray | None = None) -> np.ndarray:
    """The rows in the order in which this epoch, counted from 0, takes them, a batch after the other.

    By length: `POOL` batches at a time of the shuffled rows are sorted by length, and then the batches are shuffled; one that
    is not full stays the last.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(rows)
    if recipe.batches == "shuffled":
        return order
    assert lengths is not None
    size = recipe.batch_size
    pools = np.split(order, np.arange(POOL * size, rows, POOL * size))
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    full = rows // size
    return np.concatenate([order[: full * size].reshape(full, size)[random.permutation(full)].ravel(), order[full * size :]])


def learning_rate(recipe: Recipe, update: int, total: int) -> float:
    """The learning rate of update number `update`, counted from 0, of `total`."""
    rising = recipe.warmup * total
    if update < rising:
        return recipe.lr * min(1.0, (update + 1) / rising)
    done = (update - rising) / max(1.0, total - rising)
    if recipe.schedule == "linear":
        return recipe.lr * (1 - done)
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * done))
    return recipe.lr


def _checked_mean(window: list[Tensor], update: int, lr: float, batch: int) -> float:
    losses = torch.stack(window).float().cpu()
    if not torch.isfinite(losses).all():
        first = update - len(losses) + int((~torch.isfinite(losses)).nonzero()[0]) + 1
        raise BadInput(
            f"the loss stopped being a number at update {first} (learning rate {lr:g}, batch {batch + 1} of its epoch at the "
            "latest); nothing of this run is kept: lower the recipe's lr, or give it warmup or clip"
        )
    return float(losses.mean())


def _is_finite(parameters: list[nn.Parameter]) -> bool:
    """Whether all weights are numbers: a run that went on from others could only fail again."""
    return all(bool(parameter.isfinite().all()) for parameter in parameters)


def _end_epoch(model: nn.Module, epoch: int, facts: dict[str, Any], history: History, best: dict | None) -> dict | None:
    """Notes the epoch's facts; returns a copy of the weights where its criterion is the best so far."""
    history.epochs.append({"epoch": epoch, **facts})
    shown = ", ".join(f"{name} {value:.4f}" for name, value in facts.items() if isinstance(value, float))
    log.info("epoch %d: %s", epoch, shown)
    criteria = [entry.get("criterion", float(entry["epoch"])) for entry in history.epochs]
    if criteria[-1] <= max(criteria[:-1], default=-math.inf):
        return best
    history.best_epoch = epoch
    return {name: tensor.detach().clone() for name, tensor in trained(model).items()}


@torch.no_grad()
def _put_back(model: nn.Module, weights: dict[str, Tensor]) -> None:
    for name, parameter in trained(model).items():
        parameter.copy_(weights[name])


def _state(
    model: nn.Module,
    optimizer: FusedAdamW,
    history: History,
    update: int,
    best: dict[str, Tensor] | None,
    window: list[Tensor],
    device: torch.device,
) -> dict[str, Any]:
    return {
        "model": {name: parameter.detach() for name, parameter in trained(model).items()},
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_of_device": None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(),
        "update": update,
        "best": best,
        "window": [loss.cpu() for loss in window],
        "history": vars(history),
    }


def _restore(
    state: dict[str, Any], model: nn.Module, optimizer: FusedAdamW, history: History, device: torch.device
) -> tuple[int, dict[str, Tensor] | None, list[Tensor]]:
    _put_back(model, state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    if state["random_of_device"] is not None:
        torch.get_device_module(device).set_rng_state(state["random_of_device"])
    vars(history).update(state["history"])
    return state["update"], state["best"], [loss.to(device) for loss in state["window"]]
