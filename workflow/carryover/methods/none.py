"""Nothing trains: the model is evaluated as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carryover.models.interface import LanguageModel


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Lets no parameter train. It has no options."""
    model.requires_grad_(False)


def save(model: LanguageModel, directory: Path) -> None:
    """There is nothing to save."""


def load(model: LanguageModel, directory: Path) -> None:
    """There is nothing to read."""


def merge(model: LanguageModel) -> None:
    """Nothing was put in."""
