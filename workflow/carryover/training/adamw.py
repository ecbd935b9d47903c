"""Adam with decoupled weight decay (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019).

Two conventions exist for epsilon. The course's code (and BERT's Adam) adds it to sqrt(v) before the bias correction,
the handout's formula and PyTorch add it after. With eps 1e-6 the choice moves a loss by 1e-2 within a few steps, so it
is an argument. `FusedAdamW` is the first convention on PyTorch's fused kernel: adding eps before the correction is
adding eps / sqrt(1 - beta2^t) after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW(torch.optim.Optimizer):
    """The reference: one parameter after the other, as the formulas read.

    Raises ValueError for a learning rate, epsilon or decay below 0 and betas outside [0, 1).
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
        eps_after_correction: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} is {value}, should be >= 0")
        for name, value in zip(("betas[0]", "betas[1]"), betas, strict=True):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name} is {value}, should be in [0, 1)")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "correct_bias": correct_bias,
            "eps_after_correction": eps_after_correction,
        }
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient; returns the closure's loss, where one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] += 1
                mean, square = state["exp_avg"], state["exp_avg_sq"]
                mean.mul_(beta1).add_(parameter.grad, alpha=1 - beta1)
                square.mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)
                corrected = group["correct_bias"]
                first = 1 - beta1 ** state["step"] if corrected else 1.0
                second = math.sqrt(1 - beta2 ** state["step"]) if corrected else 1.0
                if group["eps_after_correction"]:
                    denominator = (square.sqrt() / second).add_(group["eps"])
                else:
                    denominator = square.sqrt().add_(group["eps"]).div_(second)
                # Decay is of the weights before the step, and subtracted by itself: in fp32 a factor of 1 - lr * decay
                # rounds away up to a fifth of a decay of 1e-7, which the course's reference weights show.
                decay = parameter * (group["lr"] * group["weight_decay"])
                parameter.addcdiv_(mean, denominator, value=-group["lr"] / first).sub_(decay)
        return loss


class FusedAdamW:
    """`AdamW` (bias correction on, epsilon before it) in one pass over the weights.

    It has the face of a PyTorch optimiser and is none: the first one that a process makes imports PyTorch's compiler, which
    takes as long as PyTorch itself.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
        group: dict[str, Any] = {"params": list(params), "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        self.param_groups: list[dict[str, Any]] = [group]
        self.steps = 0
        self.means = [torch.zeros_like(parameter) for parameter in group["params"]]
        self.squares = [torch.zeros_like(parameter) for parameter in group["params"]]
        self.counts = [torch.zeros((), device=parameter.device) for parameter in group["params"]]

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        (group,) = self.param_groups
        beta1, beta2 = group["betas"]
        self.steps += 1
        moved = [place for place, parameter in enumerate(group["params"]) if parameter.grad is not None]
        adamw(
            [group["params"][place] for place in moved],
            [group["params"][place].grad for place in moved],
            [self.means[place] for place in moved],
            [self.squares[place] for place in moved],
            [],
            [self.counts[place] for place in moved],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"] / math.sqrt(1 - beta2**self.steps),
            maximize=False,
        )

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The moments and the counts of steps."""
        return {"steps": self.steps, "means": self.means, "squares": self.squares, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
        self.steps = state["steps"]
        for name in ("means", "squares", "counts"):
            for mine, theirs in zip(getattr(self, name), state[name], strict=True):
                mine.copy_(theirs)
