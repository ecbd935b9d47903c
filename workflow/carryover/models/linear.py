"""Linear layers that a method put something into: they run and are saved otherwise than plain ones."""

from __future__ import annotations

from torch import nn

from carryover.models.interface import LanguageModel


def plain(dense: nn.Module) -> bool:
    """Whether a layer is an `nn.Linear` and nothing else: not of another class or weight, and with nothing hooked into it.

    Only then is a product with its weight what calling it gives, so only then may a faster path go round it.
    """
    hooks = (dense._forward_hooks, dense._forward_pre_hooks, dense._backward_hooks, dense._backward_pre_hooks)
    exact = type(dense) is nn.Linear and type(dense.weight) is nn.Parameter and "forward" not in vars(dense)
    return exact and not any(hooks)


def without_parts(model: LanguageModel) -> None:
    """Raises ValueError where a linear layer of the blocks has a part that a method put in: it would be lost, or saved twice."""
    if inside := [name for name, layer in model.linears().items() if list(layer.children())]:
        raise ValueError(f"what a method put into {inside[0]} has to be merged before the model is saved")
