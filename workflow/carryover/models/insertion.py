"""What methods share that put parts into the linear layers of a model: which layers, and files of a config and tensors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from carryover.models.interface import LanguageModel
from carryover.runtime import files
from carryover.runtime.errors import BadInput

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # what peft writes before a name of transformers


def ends_in(name: str, target: str) -> bool:
    """Whether a layer's name is `target` or ends in it after a dot."""
    return name == target or name.endswith(f".{target}")


def chosen(model: LanguageModel, targets: Iterable[str], option: str) -> dict[str, nn.Module]:
    """The linear layers whose names end in one of these, in the model's order.

    Raises BadInput, with the option of the config that asked, for a target that no layer has.
    """
    layers, targets = model.linears(), list(targets)
    for target in targets:
        if not any(ends_in(name, target) for name in layers):
            known = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in layers}))
            raise BadInput(f"{option}: no layer of this {model.facts.architecture} ends in {target!r}; there are {known}")
    return {name: layer for name, layer in layers.items() if any(ends_in(name, target) for target in targets)}


def of_architecture(known: Mapping[str, Sequence[str]], model: LanguageModel, option: str) -> Sequence[str]:
    """The entry of a model's architecture. Raises BadInput where there is none, so that the option must be given."""
    found = known.get(model.facts.architecture)
    if found is None:
        raise BadInput(f"{option}: name the layers; none are known for {model.facts.architecture}, only for {', '.join(known)}")
    return found


def sizes(layer: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a linear layer, whichever way its weight lies."""
    outputs, inputs = weight_of(layer).shape if isinstance(layer, nn.Linear) else weight_of(layer).T.shape
    return inputs, outputs


def weight_of(layer: nn.Module) -> nn.Parameter:
    """The weight of a linear layer: [out, in] of an `nn.Linear`, [in, out] of any other."""
    return layer.get_parameter("weight")


def put_in(layer: nn.Module, label: str, part: nn.Module) -> None:
    """Makes a part a child of a layer, where and in the mode that the layer is."""
    layer.add_module(label, part.to(weight_of(layer).device).train(layer.training))


def parts_in(model: LanguageModel, label: str) -> dict[str, nn.Module]:
    """What stands under this name in the layers, by the names of the layers."""
    found = {name: dict(layer.named_children()).get(label) for name, layer in model.linears().items()}
    return {name: part for name, part in found.items() if part is not None}


def write(directory: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Writes the config and the tensors, fp32 where they are no whole numbers and under peft's prefix, each file whole."""
    kept = {name: tensor.detach() for name, tensor in tensors.items()}
    kept = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in kept.items()}
    stored = {f"{PREFIX}{name}": tensor.cpu().contiguous() for name, tensor in kept.items()}
    files.write_bytes(directory / WEIGHTS, to_bytes(stored, metadata={"format": "pt"}))
    files.write_json(directory / CONFIG, dict(config))


def read(directory: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write`, or peft, wrote: the config, and the tensors by their names in the model.

    Raises BadInput where a file is damaged, or the config is of another kind (its `peft_type`).
    """
    path = directory / CONFIG
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8")))
        found = config.pop("peft_type")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a config of an adapter ({error!r})") from error
    if found != kind:
        raise BadInput(f"{path}: is of the kind {found}; asked for is {kind}")
    try:
        stored = load_file(directory / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{directory / WEIGHTS}: not a readable safetensors file ({error})") from error
    return config, {name.removeprefix(PREFIX): tensor for name, tensor in stored.items()}


def fill(parameters: Mapping[str, nn.Parameter], stored: Mapping[str, Tensor], path: Path, model: LanguageModel) -> None:
    """Copies each stored tensor into the parameter of its name. Raises BadInput where one is missing, left over, or of another
    shape: an adapter of another model."""
    if left := sorted(set(stored) - set(parameters)):
        raise BadInput(f"{path}: {left[0]} is in no layer of this {model.facts.architecture}; it was trained on another model")
    for name, parameter in parameters.items():
        tensor = stored.get(name)
        if tensor is None or tensor.shape != parameter.shape:
            shape = None if tensor is None else tuple(tensor.shape)
            raise BadInput(f"{path}: {name} has shape {shape}, the model asks for {tuple(parameter.shape)}")
        with torch.no_grad():
            parameter.copy_(tensor)
