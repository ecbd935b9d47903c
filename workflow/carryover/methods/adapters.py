"""Bottleneck adapters (Houlsby et al. 2019): after both sublayers of every block, a narrow network with a bypass trains alone.

What a sublayer's last projection gives, y of width d, becomes y + GELU(y D + b) U + c with D [d, m] and U [m, d]: for each of
them 2 d m + m + d weights. U and c begin at 0, so that the model begins as it was.

The files are this project's own, since peft has no such method: `adapter_config.json` with `peft_type` BOTTLENECK, the width
`bottleneck` and `target_modules`, and `adapter_model.safetensors` with `<layer>.adapter.down.weight` [m, d], `down.bias`,
`up.weight` [d, m] and `up.bias`, under transformers' names of the layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from carryover.models import insertion
from carryover.models.interface import LanguageModel
from carryover.runtime.errors import BadInput

KIND, PART = "BOTTLENECK", "adapter"
LLAMA = ("self_attn.o_proj", "mlp.down_proj")
SUBLAYERS = {  # the last projections of a block's sublayers
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "llama": LLAMA,
    "qwen2": LLAMA,
    "gemma": LLAMA,
    "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"),
    "bloom": ("self_attention.dense", "mlp.dense_4h_to_h"),
}


class Bottleneck(nn.Module):
    """[..., d] to [..., d] through a width of m."""

    def __init__(self, layer: nn.Module, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        layer.register_forward_hook(self.add)

    def forward(self, values: Tensor) -> Tensor:
        """What is added to the output of the layer."""
        return self.up(F.gelu(self.down(values)))

    def add(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The hook: a layer's output through the adapter and past it."""
        return output + self(output)


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Puts an adapter after both sublayers of every block, and lets the adapters alone train. Draws from torch's generator.

    options: bottleneck, the inner width.
    """
    model.requires_grad_(False)
    targets = insertion.of_architecture(SUBLAYERS, model, "adapters")
    _insert(model, targets, options["bottleneck"], "adapters")


def save(model: LanguageModel, directory: Path) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors`, each whole."""
    inserted = insertion.parts_in(model, PART)
    first = next(iter(inserted.values())).get_submodule("down")
    config = {
        "peft_type": KIND,
        "bottleneck": len(first.get_parameter("weight")),
        "target_modules": list(SUBLAYERS[model.facts.architecture]),
    }
    insertion.write(directory, config, _parameters(model))


def load(model: LanguageModel, directory: Path) -> None:
    """Puts what `save` wrote into the model that it was trained from.

    Raises BadInput where the files are damaged or belong to another model.
    """
    config, stored = insertion.read(directory, KIND)
    path = directory / insertion.CONFIG
    try:
        targets, bottleneck = list(config["target_modules"]), int(config["bottleneck"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: not a config of bottleneck adapters ({error!r})") from error
    _insert(model, targets, bottleneck, str(path))
    insertion.fill(_parameters(model), stored, directory / insertion.WEIGHTS, model)


def merge(model: LanguageModel) -> None:
    """Raises BadInput: what is not linear has no place in the weights of a layer."""
    raise BadInput("adapters: bottleneck adapters are not linear and cannot be merged into the model; keep them beside it")


def _insert(model: LanguageModel, targets: Any, bottleneck: int, option: str) -> None:
    for layer in insertion.chosen(model, targets, option).values():
        insertion.put_in(layer, PART, Bottleneck(layer, insertion.sizes(layer)[1], bottleneck))


def _parameters(model: LanguageModel) -> dict[str, nn.Parameter]:
    return {
        f"{name}.{PART}.{label}": parameter
        for name, part in insertion.parts_in(model, PART).items()
        for label, parameter in part.named_parameters()
    }
