"""Low-rank adaptation (Hu et al. 2021): beside chosen linear layers, the product of two narrow matrices trains, and nothing else.

A layer of d_in inputs and d_out outputs becomes x W + (alpha / rank) x A B, with r (d_in + d_out) trained weights; B begins at 0,
so that the model begins as it was. What is saved is peft's format, under transformers' names: peft opens it, and what peft
saves is read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from carryover.models.dropout import dropout
from carryover.models.interface import LanguageModel
from carryover.runtime import files
from carryover.runtime.errors import BadInput

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
PART = "lora"  # the name of what is put into a layer
# What peft's files say and the updates here do not depend on, beside what `load` reads; all else must be off.
HARMLESS = {
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "target_modules",
    "task_type",
}


class LowRank(nn.Module):
    """The update of one layer: [..., d_in] to [..., d_out]. A is drawn as `nn.Linear` draws, B is 0."""

    def __init__(self, layer: nn.Module, inputs: int, outputs: int, rank: int, alpha: float, rate: float) -> None:
        super().__init__()
        self.rank, self.alpha, self.rate = rank, alpha, rate
        self.lora_A = nn.Linear(inputs, rank, bias=False)
        self.lora_B = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.lora_B.weight)
        self.handle = layer.register_forward_hook(self.add)

    def forward(self, values: Tensor) -> Tensor:
        """What is added to the output of the layer."""
        return self.lora_B(self.lora_A(dropout(values, self.rate, self.training))) * (self.alpha / self.rank)

    def add(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The hook: a layer's output with its update."""
        return output + self(inputs[0])

    def product(self) -> Tensor:
        """What merging adds to the weight of an `nn.Linear`: [d_out, d_in]."""
        return self.lora_B.weight @ self.lora_A.weight * (self.alpha / self.rank)


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Puts updates into the layers that are asked for, and lets them alone train.

    options: rank, alpha, dropout, targets (ends of names in transformers, None: every linear layer of the blocks). Draws from
    torch's generator. Raises BadInput for a target that no layer has.
    """
    layers = model.linears()
    targets = options["targets"]
    for target in targets or ():
        if not any(_ends_in(name, target) for name in layers):
            known = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in layers}))
            raise BadInput(f"lora.targets: no layer of this {model.facts.architecture} ends in {target!r}; there are {known}")
    model.requires_grad_(False)
    for name, layer in layers.items():
        if targets is None or any(_ends_in(name, target) for target in targets):
            _insert(layer, options["rank"], options["alpha"], options["dropout"])


def save(model: LanguageModel, directory: Path) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors`, each whole."""
    updates = _updates(model)
    any_update = next(iter(updates.values()))
    tensors = {
        f"{PREFIX}{name}.{label}": weight.detach().float().cpu().contiguous()
        for name, update in updates.items()
        for label, weight in update.named_parameters()
    }
    files.write_bytes(directory / WEIGHTS, to_bytes(tensors, metadata={"format": "pt"}))
    ends = sorted({name.rsplit(".", 1)[-1] for name in updates})
    chosen = {name for name in model.linears() if any(_ends_in(name, end) for end in ends)}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": any_update.rank,
        "lora_alpha": any_update.alpha,
        "lora_dropout": any_update.rate,
        "target_modules": ends if chosen == set(updates) else sorted(updates),
        "fan_in_fan_out": model.facts.architecture == "gpt2",  # whose matrices transformers keeps transposed
        "bias": "none",
    }
    files.write_json(directory / CONFIG, config)


def load(model: LanguageModel, directory: Path) -> None:
    """Puts what `save`, or peft, wrote into the model that it was trained from, where nothing was put in before.

    Raises BadInput where the files are damaged, belong to another model, or hold a kind of update that is not built here.
    """
    path = directory / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rank, alpha, rate = config.pop("r"), config.pop("lora_alpha"), config.pop("lora_dropout")
        kind, bias = config.pop("peft_type"), config.pop("bias", "none")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a config of an adapter of peft ({error!r})") from error
    others = [name for name, value in config.items() if value and name not in HARMLESS]
    if kind != "LORA" or bias != "none" or others or config.get("init_lora_weights", True) not in (True, False):
        what = others[0] if others else f"peft_type {kind}, bias {bias}, init_lora_weights {config.get('init_lora_weights')}"
        raise BadInput(f"{path}: {what} is not supported; only plain LoRA without biases is")
    try:
        stored = load_file(directory / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{directory / WEIGHTS}: not a readable safetensors file ({error})") from error
    layers = model.linears()
    names = {name.removeprefix(PREFIX).rsplit(".lora_", 1)[0] for name in stored}
    if not names or (unknown := sorted(names - set(layers))):
        raise BadInput(
            f"{directory / WEIGHTS}: {unknown[0] if names else 'nothing'} is no layer of this {model.facts.architecture}"
        )
    for name, layer in layers.items():
        if name in names:
            update = _insert(layer, rank, alpha, rate)
            for label, weight in update.named_parameters():
                tensor = stored.get(f"{PREFIX}{name}.{label}")
                if tensor is None or tensor.shape != weight.shape:
                    shape = None if tensor is None else tuple(tensor.shape)
                    raise BadInput(
                        f"{directory / WEIGHTS}: {name}.{label} has shape {shape}, the model asks for {tuple(weight.shape)}"
                    )
                with torch.no_grad():
                    weight.copy_(tensor)


@torch.no_grad()
def merge(model: LanguageModel) -> None:
    """Adds the updates to the weights of their layers, and takes them out: the model runs as fast as it did before."""
    for name, update in _updates(model).items():
        layer = model.linears()[name]
        _weight(layer).add_(update.product() if isinstance(layer, nn.Linear) else update.product().T)
        update.handle.remove()
        delattr(layer, PART)


def _insert(layer: nn.Module, rank: int, alpha: float, rate: float) -> LowRank:
    weight = _weight(layer)
    outputs, inputs = weight.shape if isinstance(layer, nn.Linear) else weight.T.shape
    update = LowRank(layer, inputs, outputs, rank, alpha, rate).to(weight.device).train(layer.training)
    layer.add_module(PART, update)
    return update


def _weight(layer: nn.Module) -> nn.Parameter:
    return layer.get_parameter("weight")


def _updates(model: LanguageModel) -> dict[str, LowRank]:
    found = {name: dict(layer.named_children()).get(PART) for name, layer in model.linears().items()}
    return {name: part for name, part in found.items() if isinstance(part, LowRank)}


def _ends_in(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
