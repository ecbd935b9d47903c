"""The answer is one of K candidates, each one token after the prompt: its log-probability, and the greedy token.

Prompts run in batches without padding, sorted by length; examples of a cluster share the computation of what they begin with
(`carryover.models.packing`). Neither changes an answer beyond rounding, so neither is an option.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from carryover.data.prompts import XNLIDataset
from carryover.models.batching import by_width, grid_of
from carryover.models.interface import LanguageModel
from carryover.models.losses import ROWS_AT_ONCE, log_sum_exp_
from carryover.models.packing import move, pack, pack_trees, tree_width
from carryover.runtime.progress import progress

FILES: tuple[str, ...] = ()  # what a trained answer adds to the model's directory
CRITERION = "accuracy"


@dataclass(frozen=True)
class Scores:
    """For n examples: logp [n, K], log-probability over the whole vocabulary of each candidate, in nats; greedy [n], the
    most likely token."""

    logp: np.ndarray
    greedy: np.ndarray


def load(paths: Sequence[Path]) -> XNLIDataset:
    """The rows of these files, one after the other. Raises BadInput where a file is damaged."""
    return XNLIDataset.load(paths)


def prepare(model: LanguageModel, data: XNLIDataset, seed: int) -> LanguageModel:
    """The module that is trained: the model itself, since its own output matrix answers."""
    return model


def restore(model: LanguageModel, directory: Path) -> LanguageModel:
    """The module that answers, of a model that was trained: the model itself."""
    return model


def save(trained: nn.Module, directory: Path) -> None:
    """Writes what a trained answer adds to the model's files: nothing."""


def loss(model: LanguageModel, data: XNLIDataset, rows: np.ndarray) -> Tensor:
    """The mean over these rows of -log p(right candidate's token | prompt), in nats, over the whole vocabulary."""
    device = next(model.parameters()).device
    batch = pack([data.sequence(row) for row in rows]).to(device)
    return model.answer_loss(batch, move(torch.from_numpy(data.answers(rows)), device))


@torch.inference_mode()
def score(model: LanguageModel, data: XNLIDataset, precision: str) -> Scores:
    """Scores every row of a dataset, in its order. precision: `fp32` or `bf16`."""
    device = next(model.parameters()).device
    candidates = torch.from_numpy(data.candidates).to(device)
    logp = np.empty((len(data), len(candidates)), dtype=np.float32)
    greedy = np.empty(len(data), dtype=np.int32)
    model.eval()

    def project(hidden: Tensor, rows: np.ndarray) -> None:
        logits = model.hidden_state_to_token(hidden)
        # On the CPU, numpy's argmax takes a tenth of PyTorch's time.
        greedy[rows] = logits.numpy().argmax(axis=1) if device.type == "cpu" else logits.argmax(dim=1).cpu().numpy()
        asked = logits[:, candidates]
        logp[rows] = (asked - log_sum_exp_(logits)[:, None]).cpu().numpy()

    # A few rows at a time, reading the output matrix would take longer than multiplying by it.
    waiting: list[tuple[Tensor, np.ndarray]] = []
    with progress("scoring", len(data)) as counter:
        for groups in batches(data, grid_of(device)):
            batch = pack_trees([[data.sequence(row) for row in group] for group in groups]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                waiting.append((model.forward_ends(batch).float(), np.concatenate(groups)))
            ready = sum(len(rows) for _, rows in waiting)
            if ready >= ROWS_AT_ONCE or counter.done + ready == len(data):
                project(torch.cat([hidden for hidden, _ in waiting]), np.concatenate([rows for _, rows in waiting]))
                waiting.clear()
                counter.advance(ready)
    return Scores(logp, greedy)


def batches(data: XNLIDataset, grid: int) -> Iterator[list[np.ndarray]]:
    """Groups of rows of one cluster, batched by length, so that rows times width stays within `grid`."""
    order = np.argsort(data.clusters, kind="stable")
    bounds = np.flatnonzero(np.diff(data.clusters[order])) + 1
    groups = np.split(order, bounds)
    widths = np.array([tree_width([data.sequence(row) for row in group]) for group in groups])
    for batch in by_width(widths, grid):
        yield [groups[place] for place in batch]


def criterion(data: XNLIDataset, scores: Scores) -> float:
    """Accuracy: the share of examples whose most likely candidate is the right one."""
    return float((scores.logp.argmax(axis=1) == data.targets).mean())


def predictions(data: XNLIDataset, scores: Scores) -> dict[str, np.ndarray]:
    """The columns of a prediction file: id, cluster, target (the right candidate), logp_0 to logp_<K-1> (nats), greedy
    (token id) and greedy_label (the candidate that the greedy token is, -1 where it is none)."""
    matches = scores.greedy[:, None] == data.candidates[None, :]
    return {
        "id": data.row_ids,
        "cluster": data.clusters,
        "target": data.targets.astype(np.int8),
        **{f"logp_{candidate}": scores.logp[:, candidate] for candidate in range(scores.logp.shape[1])},
        "greedy": scores.greedy,
        "greedy_label": np.where(matches.any(axis=1), matches.argmax(axis=1), -1).astype(np.int8),
    }
