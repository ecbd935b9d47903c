"""transformers' models in batches, with their usual loop: padded batches, the loss from `labels`, PyTorch's AdamW in the form
that its Trainer takes by default (fused). Evaluation pads on the left and asks for the last logits alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Model
from carryover.training.loop import Recipe

BATCH = {"cpu": 32, "cuda": 256}
FUSED = partial(torch.optim.AdamW, fused=True)


def twin(model: GPT2Model) -> nn.Module:
    """A GPT2LMHeadModel with the same weights and dropout."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        theirs = transformers.GPT2LMHeadModel.from_pretrained(directory)
    return theirs.to(next(model.parameters()).device)


@torch.inference_mode()
def evaluate(model: nn.Module, data: XNLIDataset, autocast: bool = False) -> np.ndarray:
    """The greedy token after each prompt [n]."""
    size = BATCH[model.device.type]
    batches = [np.arange(start, min(start + size, len(data))) for start in range(0, len(data), size)]
    return torch.cat([last_logits(model, data, rows, autocast).argmax(dim=1).cpu() for rows in batches]).numpy()


@torch.inference_mode()
def label_logp(model: nn.Module, data: XNLIDataset, size: int, autocast: bool = False, keep: int = 1) -> np.ndarray:
    """The log-probability of each label token after each prompt, [n, K] in nats: `size` at a time, sorted by length.

    keep: at how many of the last positions logits are computed; 0: at all, as where nothing is asked for.
    """
    found = np.empty((len(data), len(data.candidates)), np.float32)
    for rows in np.array_split(np.argsort(data.lengths, kind="stable"), -(-len(data) // size)):
        logits = last_logits(model, data, rows, autocast, keep).float()
        found[rows] = logits.log_softmax(dim=1)[:, data.candidates].cpu().numpy()
    return found


def last_logits(model: nn.Module, data: XNLIDataset, rows: np.ndarray, autocast: bool, keep: int = 1) -> Tensor:
    """The logits after these prompts, [n, V], of a batch that is padded on the left; nothing is said of one without padding."""
    model.eval()
    prompts = [torch.from_numpy(data.sequence(row).astype(np.int64)) for row in rows]
    inputs = {"input_ids": pad_sequence(prompts, True, padding_side="left")}
    if len({len(prompt) for prompt in prompts}) > 1:
        real = pad_sequence([torch.ones_like(prompt) for prompt in prompts], True, padding_side="left")
        inputs |= {"attention_mask": real, "position_ids": (real.cumsum(dim=1) - 1).clamp(min=0)}
    with torch.autocast(model.device.type, torch.bfloat16, enabled=autocast):
        return model(**{name: part.to(model.device) for name, part in inputs.items()}, logits_to_keep=keep).logits[:, -1]


def finetune(
    model: nn.Module,
    data: XNLIDataset,
    batches: Sequence[np.ndarray],
    recipe: Recipe,
    on_step: Callable[[Tensor], None],
    optimizer_of: Callable[..., Any] = FUSED,
) -> None:
    """An update for each batch of rows; `on_step` gets its loss, still on the device."""
    model.train()
    options = {"lr": recipe.lr, "betas": recipe.betas, "eps": recipe.eps, "weight_decay": recipe.weight_decay}
    optimizer = optimizer_of(model.parameters(), **options)
    for rows in batches:
        batch = {name: part.to(model.device) for name, part in data.collate_fn([data[row] for row in rows]).items()}
        with torch.autocast(model.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        on_step(loss.detach())
