"""All weights of the model train; what is saved is a whole model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carryover.models.interface import LanguageModel


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Lets all parameters train. It has no options."""
    model.requires_grad_(True)


def save(model: LanguageModel, directory: Path) -> None:
    """Writes the model, `config.json` and `model.safetensors`."""
    model.save_pretrained(directory)


def load(model: LanguageModel, directory: Path) -> None:
    """Nothing is left to read: the model was loaded from this directory."""


def merge(model: LanguageModel) -> None:
    """Nothing was put in."""
