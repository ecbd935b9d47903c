"""Magnitude pruning after training: all weights train, and then the smallest of every linear layer of the blocks become 0.

Training is that of `full`, bit for bit at the same seed, so the two differ by the pruning alone. Which weights go is decided
within each layer (the baseline of Sun et al. 2024, arXiv:2306.11695). What is saved is a whole model directory, zeros included:
it takes no fewer bytes, and fewer operations only where a kernel skips zeros.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from carryover.models import insertion
from carryover.models.interface import LanguageModel

SPARSITY = "_sparsity"  # where `apply` leaves the share for `save`, on the model


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Lets all parameters train. options: sparsity, the share of each layer's weights that will go."""
    model.requires_grad_(True)
    setattr(model, SPARSITY, options["sparsity"])


def save(model: LanguageModel, directory: Path) -> None:
    """Prunes the model in place, and writes `config.json` and `model.safetensors`."""
    with torch.no_grad():
        for layer in model.linears().values():
            prune_(insertion.weight_of(layer), getattr(model, SPARSITY))
    model.save_pretrained(directory)


def load(model: LanguageModel, directory: Path) -> None:
    """Nothing is left to read: the model was loaded from this directory."""


def merge(model: LanguageModel) -> None:
    """Nothing was put in."""


def prune_(weight: Tensor, share: float) -> None:
    """Sets this share of a matrix, the entries nearest to 0, to 0, in place."""
    count = round(share * weight.numel())
    if count:
        weight.view(-1)[weight.abs().flatten().topk(count, largest=False).indices] = 0
