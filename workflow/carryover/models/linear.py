"""Whether a linear layer may be run by reading its weight."""

from __future__ import annotations

from torch import nn


def plain(dense: nn.Module) -> bool:
    """Whether a layer is an `nn.Linear` and nothing else: not of another class or weight, and with nothing hooked into it.

    Only then is a product with its weight what calling it gives, so only then may a faster path go round it.
    """
    hooks = (dense._forward_hooks, dense._forward_pre_hooks, dense._backward_hooks, dense._backward_pre_hooks)
    exact = type(dense) is nn.Linear and type(dense.weight) is nn.Parameter and "forward" not in vars(dense)
    return exact and not any(hooks)
