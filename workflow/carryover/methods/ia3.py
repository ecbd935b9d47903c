"""IA3 (Liu et al. 2022): outputs of attention's projections and inner states of the feed-forward network are rescaled; nothing
else trains.

One factor an output of the chosen projections (keys and values in the paper; without a choice those that peft takes for the
architecture, which include queries where one matrix gives all three), one an input of the second feed-forward layer. All begin
at 1, so that the model begins as it was. What is saved is peft's format: peft opens it, and what peft saves is read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carryover.models import insertion
from carryover.models.interface import LanguageModel
from carryover.runtime.errors import BadInput

KIND, PART = "IA3", "ia3"
ATTENTION = {  # peft's targets by architecture: whose outputs are rescaled
    "gpt2": ("c_attn",),
    "llama": ("k_proj", "v_proj"),
    "qwen2": ("q_proj", "v_proj"),
    "gemma": ("q_proj", "v_proj"),
    "gpt_neox": ("query_key_value",),
    "bloom": ("query_key_value",),
}
FEED_FORWARD = {  # and whose inputs are
    "gpt2": ("mlp.c_proj",),
    "llama": ("down_proj",),
    "qwen2": ("down_proj",),
    "gemma": ("down_proj",),
    "gpt_neox": ("dense_4h_to_h",),
    "bloom": ("mlp.dense_4h_to_h",),
}


class Rescaling(nn.Module):
    """The factors of one layer: `ia3_l`, [1, d_in] where they are of its inputs, [d_out, 1] where of its outputs."""

    def __init__(self, layer: nn.Module, inputs: int, outputs: int, feed_forward: bool) -> None:
        super().__init__()
        self.feed_forward = feed_forward
        self.ia3_l = nn.Parameter(torch.ones((1, inputs) if feed_forward else (outputs, 1)))
        hook = layer.register_forward_pre_hook(self.before) if feed_forward else layer.register_forward_hook(self.after)
        self.handle = hook

    def before(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The hook of inputs."""
        return (inputs[0] * self.ia3_l.flatten(), *inputs[1:])

    def after(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The hook of outputs, biases included."""
        return output * self.ia3_l.flatten()


def apply(model: LanguageModel, options: dict[str, Any]) -> None:
    """Puts factors into the layers that are asked for, and lets them alone train.

    options: targets (rescaled in their outputs) and feed_forward (in their inputs), ends of names in transformers; None: those
    of the architecture. Raises BadInput for a target that no layer has, or one that is in both.
    """
    targets, feed_forward = options["targets"], options["feed_forward"]
    targets = insertion.of_architecture(ATTENTION, model, "ia3.targets") if targets is None else targets
    feed_forward = insertion.of_architecture(FEED_FORWARD, model, "ia3.feed_forward") if feed_forward is None else feed_forward
    model.requires_grad_(False)
    _insert(model, targets, feed_forward, ("ia3.targets", "ia3.feed_forward"))


def save(model: LanguageModel, directory: Path) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors`, each whole."""
    factors = insertion.parts_in(model, PART)
    config = {
        "peft_type": KIND,
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "target_modules": sorted(factors),
        "feedforward_modules": sorted(name for name, part in factors.items() if _of_inputs(part)),
        "fan_in_fan_out": model.facts.architecture == "gpt2",  # whose matrices transformers keeps transposed
        "modules_to_save": None,
    }
    insertion.write(directory, config, _parameters(model, "ia3_l"))


def load(model: LanguageModel, directory: Path) -> None:
    """Puts what `save`, or peft, wrote into the model that it was trained from.

    Raises BadInput where the files are damaged, belong to another model, or train whole modules beside the factors.
    """
    config, stored = insertion.read(directory, KIND)
    path = directory / insertion.CONFIG
    try:
        targets, feed_forward = list(config["target_modules"]), list(config["feedforward_modules"])
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a config of IA3 that names its modules ({error!r})") from error
    if config.get("modules_to_save"):
        raise BadInput(f"{path}: modules_to_save is not supported; only the factors are read")
    outputs = [name for name in targets if not any(insertion.ends_in(name, end) for end in feed_forward)]
    _insert(model, outputs, feed_forward, (str(path), str(path)))
    insertion.fill(_parameters(model, "ia3_l"), stored, directory / insertion.WEIGHTS, model)


@torch.no_grad()
def merge(model: LanguageModel) -> None:
    """Multiplies the weights of the layers by their factors, and takes the factors out."""
    for name, part in insertion.parts_in(model, PART).items():
        layer, factors = model.linears()[name], part.get_parameter("ia3_l")
        weight, of_inputs = insertion.weight_of(layer), _of_inputs(part)
        weight.mul_(factors if isinstance(layer, nn.Linear) else factors.T)
        bias = dict(layer.named_parameters(recurse=False)).get("bias")
        if bias is not None and not of_inputs:
            bias.mul_(factors.flatten())
        if isinstance(part, Rescaling):
            part.handle.remove()
        delattr(layer, PART)


def _insert(model: LanguageModel, targets: Any, feed_forward: Any, options: tuple[str, str]) -> None:
    of_outputs = insertion.chosen(model, targets, options[0])
    of_inputs = insertion.chosen(model, feed_forward, options[1])
    if both := sorted(set(of_outputs) & set(of_inputs)):
        raise BadInput(f"{options[0]}: {both[0]} is among the feed-forward layers too")
    for layers, inputs in ((of_outputs, False), (of_inputs, True)):
        for layer in layers.values():
            insertion.put_in(layer, PART, Rescaling(layer, *insertion.sizes(layer), inputs))


def _of_inputs(part: nn.Module) -> bool:
    return len(part.get_parameter("ia3_l")) == 1


def _parameters(model: LanguageModel, label: str) -> dict[str, nn.Parameter]:
    return {f"{name}.{label}": part.get_parameter(label) for name, part in insertion.parts_in(model, PART).items()}
