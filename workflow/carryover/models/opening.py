"""A model as a job is given it: the files of the model, and those that a method added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carryover.models.interface import LanguageModel


def open_model(parts: Mapping[str, Any], files: Sequence[Path], added: Sequence[Path] = ()) -> LanguageModel:
    """The model of these files, with what the method put in.

    parts: the modules `models` and `methods` that a job works with; files, added: each in one directory, added empty where
    nothing was put in. Raises BadInput where a directory is not whole.
    """
    model: LanguageModel = parts["models"].load(files[0].parent)
    if added:
        parts["methods"].load(model, added[0].parent)
    return model
