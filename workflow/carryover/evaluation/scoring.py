"""Scoring: the log-probability of each candidate label after its prompt, and the greedy token.

Prompts run in batches without padding, sorted by length; examples that share a premise share its computation
(`carryover.models.packing`). Neither changes an answer beyond rounding, so neither is an option.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Model
from carryover.models.losses import ROWS_AT_ONCE, log_sum_exp_
from carryover.models.packing import pack_trees, tree_width
from carryover.runtime.progress import progress

GRID = {"cpu": 4096, "cuda": 65536}  # places of the attention grid in a batch: enough to keep the device busy


@dataclass(frozen=True)
class Scores:
    """For n examples: logp [n, K], log-probability over the whole vocabulary of each candidate, in nats; greedy [n], the
    most likely token."""

    logp: np.ndarray
    greedy: np.ndarray


@torch.inference_mode()
def score(model: GPT2Model, data: XNLIDataset, precision: str) -> Scores:
    """Scores every row of a dataset, in its order. precision: `fp32` or `bf16`."""
    device = next(model.parameters()).device
    candidates = torch.from_numpy(data.label_tokens).to(device)
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
        for groups in batches(data, GRID[device.type]):
            batch = pack_trees([[data.prompt(row) for row in group] for group in groups]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                waiting.append((model.forward_ends(batch).float(), np.concatenate(groups)))
            ready = sum(len(rows) for _, rows in waiting)
            if ready >= ROWS_AT_ONCE or counter.done + ready == len(data):
                project(torch.cat([hidden for hidden, _ in waiting]), np.concatenate([rows for _, rows in waiting]))
                waiting.clear()
                counter.advance(ready)
    return Scores(logp, greedy)


def batches(data: XNLIDataset, grid: int) -> Iterator[list[np.ndarray]]:
    """Groups of rows that share a premise, batched by length, so that rows times width stays within `grid`."""
    order = np.argsort(data.premise_ids, kind="stable")
    bounds = np.flatnonzero(np.diff(data.premise_ids[order])) + 1
    groups = np.split(order, bounds)
    widths = np.array([tree_width([data.prompt(row) for row in group]) for group in groups])
    batch: list[np.ndarray] = []
    widest = 0
    for place in np.argsort(widths, kind="stable"):
        widest = max(widest, widths[place])
        if batch and (len(batch) + 1) * widest > grid:
            yield batch
            batch, widest = [], widths[place]
        batch.append(groups[place])
    if batch:
        yield batch


def accuracy(scores: Scores, labels: np.ndarray) -> float:
    """The share of examples whose most likely candidate is the label."""
    return float((scores.logp.argmax(axis=1) == labels).mean())


def prediction_table(data: XNLIDataset, scores: Scores) -> dict[str, np.ndarray]:
    """The columns of a prediction file: pair_id, premise_id, label (the gold candidate), logp_0 to logp_2 (nats), greedy
    (token id) and greedy_label (the candidate that the greedy token is, -1 where it is none)."""
    matches = scores.greedy[:, None] == data.label_tokens[None, :]
    return {
        "pair_id": data.pair_ids,
        "premise_id": data.premise_ids,
        "label": data.labels.astype(np.int8),
        **{f"logp_{candidate}": scores.logp[:, candidate] for candidate in range(scores.logp.shape[1])},
        "greedy": scores.greedy,
        "greedy_label": np.where(matches.any(axis=1), matches.argmax(axis=1), -1).astype(np.int8),
    }
