"""Weights of 8 bits after training: all weights train, and then those of the linear layers of the blocks are rounded.

Training is that of `full`, bit for bit at the same seed, so the two differ by the rounding alone. Each output of a layer has a
scale, its largest weight over 127, and weights are whole multiples of it from -127 to 127; embeddings, norms and biases stay as
they are, and a tied output matrix stays tied. They take a quarter of the bytes on disk; a model is loaded by multiplying them
out, so it takes as much memory as before and answers as a kernel would that does so on the way.

The files are this project's own: `adapter_config.json` with `peft_type` INT8, and `adapter_model.safetensors` with `<layer>.int8`
[out, in] and `<layer>.scale` [out] under transformers' names of the layers, and every other parameter under its own name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carryover.models import insertion
from carryover.models.interface import LanguageModel
from carryover.runtime.errors import BadInput

KIND = "INT8"
LARGEST = 127


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Lets all parameters train. It has no options."""
    model.requires_grad_(True)


@torch.no_grad()
def save(model: LanguageModel, directory: Path) -> None:
    """Rounds the model in place, and writes `adapter_config.json` and `adapter_model.safetensors`, each whole."""
    tensors: dict[str, Tensor] = dict(_others(model))
    for name, layer in model.linears().items():
        whole, scale = rounded(_outputs_first(layer))
        _outputs_first(layer).copy_(whole * scale[:, None])
        tensors |= {f"{name}.int8": whole, f"{name}.scale": scale}
    insertion.write(directory, {"peft_type": KIND}, tensors)


@torch.no_grad()
def load(model: LanguageModel, directory: Path) -> None:
    """Puts what `save` wrote into the model that it was trained from.

    Raises BadInput where the files are damaged or belong to another model.
    """
    _, stored = insertion.read(directory, KIND)
    path = directory / insertion.WEIGHTS
    weights = {name: _outputs_first(layer) for name, layer in model.linears().items()}
    scaled = {name: stored.pop(f"{name}.scale", None) for name in weights}
    whole = {name: stored.pop(f"{name}.int8", None) for name in weights}
    for name, weight in weights.items():
        steps, scale = whole[name], scaled[name]
        if steps is None or scale is None or steps.shape != weight.shape or len(scale) != len(weight):
            shape = None if steps is None else tuple(steps.shape)
            raise BadInput(f"{path}: {name}.int8 has shape {shape}, the model asks for {tuple(weight.shape)}")
        weight.copy_(steps * scale[:, None])
    insertion.fill(_others(model), stored, path, model)


def merge(model: LanguageModel) -> None:
    """Nothing was put in."""


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix [out, in] as int8 [out, in] and scales [out], of which it is nearly the product."""
    scale = weight.abs().amax(dim=1) / LARGEST
    steps = weight / torch.where(scale > 0, scale, 1)[:, None]
    return steps.round().clamp(-LARGEST, LARGEST).to(torch.int8), scale


def _outputs_first(layer: nn.Module) -> Tensor:
    weight = insertion.weight_of(layer)
    return weight.data if isinstance(layer, nn.Linear) else weight.data.T


def _others(model: LanguageModel) -> dict[str, nn.Parameter]:
    """Every parameter that is no weight of the linear layers, by its name in the model."""
    weights = {id(insertion.weight_of(layer)) for layer in model.linears().values()}
    return {name: parameter for name, parameter in model.named_parameters() if id(parameter) not in weights}
