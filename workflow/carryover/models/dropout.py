"""Dropout (Srivastava et al. 2014).

On a CPU, PyTorch draws a number for each element, at 7 ns each. Here 64 random bits decide over four elements, in a quarter of
the time. A GPU has PyTorch's own, which draws and multiplies in one operation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 2**16  # of a probability


def kept(like: Tensor, rate: float) -> Tensor:
    """What dropout multiplies by, in the shape and type of `like`: 0 with probability `rate`, else what keeps the mean.

    On a CPU the probability is rounded to a 65,536th (and never to 0 or 1), and the mean is that of the rounded one.
    """
    if like.device.type != "cpu":
        return torch.empty_like(like).bernoulli_(1 - rate).mul_(1 / (1 - rate))
    stay = min(max(round((1 - rate) * STEPS), 1), STEPS - 1)
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = words.view(torch.int16)[: like.numel()].view(like.shape)
    return torch.lt(drawn, stay - STEPS // 2, out=torch.empty(like.shape, dtype=like.dtype)).mul_(STEPS / stay)


def dropout(values: Tensor, rate: float, training: bool) -> Tensor:
    """`values`, in training with a share `rate` of the elements set to 0 and the others enlarged."""
    if not training or not rate:
        return values
    return values * kept(values, rate) if values.device.type == "cpu" else F.dropout(values, rate)
