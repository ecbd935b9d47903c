"""The last blocks and the last norm train, what lies below them does not; what is saved is a whole model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from carryover.models.interface import LanguageModel
from carryover.runtime.errors import BadInput


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Lets the last blocks, and the norm after them, train. options: blocks, how many.

    Raises BadInput for more blocks than the model has.
    """
    blocks, wanted = list(model.blocks), options["blocks"]
    if wanted > len(blocks):
        raise BadInput(f"last_layers.blocks: {wanted}, and this {model.facts.architecture} has {len(blocks)}")
    every = list(model.requires_grad_(True).parameters())
    # Which weights the last norm has is asked of the model, whatever it calls them.
    normed = model.last_norm(torch.ones(1, model.facts.width, device=every[0].device)).sum()
    of_norm = torch.autograd.grad(normed, every, allow_unused=True)
    model.requires_grad_(False)
    for block in blocks[-wanted:]:
        block.requires_grad_(True)
    for parameter, gradient in zip(every, of_norm, strict=True):
        if gradient is not None:
            parameter.requires_grad_(True)


def save(model: LanguageModel, directory: Path) -> None:
    """Writes the model, `config.json` and `model.safetensors`."""
    model.save_pretrained(directory)


def load(model: LanguageModel, directory: Path) -> None:
    """Nothing is left to read: the model was loaded from this directory."""


def merge(model: LanguageModel) -> None:
    """Nothing was put in."""
