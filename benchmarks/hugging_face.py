"""Hugging Face's GPT2LMHeadModel in batches, with its usual loop: padded batches, the loss from `labels`, PyTorch's AdamW in
the form that its Trainer takes by default (fused). Evaluation pads on the left and asks for the last logits alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Model
from carryover.training.loop import Recipe

BATCH = {"cpu": 32, "cuda": 256}


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
    model.eval()
    device, answers = model.device, []
    for start in range(0, len(data), BATCH[device.type]):
        prompts = [data.sequence(row) for row in range(start, min(start + BATCH[device.type], len(data)))]
        width = max(map(len, prompts))
        ids, real = torch.zeros(len(prompts), width, dtype=torch.int64), torch.zeros(len(prompts), width, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.from_numpy(prompt.astype(np.int64))
            real[row, width - len(prompt) :] = 1
        positions = (real.cumsum(dim=1) - 1).clamp(min=0)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            logits = model(
                ids.to(device), attention_mask=real.to(device), position_ids=positions.to(device), logits_to_keep=1
            ).logits
        answers.append(logits[:, -1].argmax(dim=1).cpu())
    return torch.cat(answers).numpy()


def finetune(
    model: nn.Module, data: XNLIDataset, batches: Sequence[np.ndarray], recipe: Recipe, on_step: Callable[[Tensor], None]
) -> None:
    """An update for each batch of rows; `on_step` gets its loss, still on the device."""
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay, fused=True
    )
    for rows in batches:
        batch = {name: part.to(model.device) for name, part in data.collate_fn([data[row] for row in rows]).items()}
        with torch.autocast(model.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        on_step(loss.detach())
