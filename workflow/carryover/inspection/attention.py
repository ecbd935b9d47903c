"""Where attention goes: its entropy, and how much of it the first and the previous token get.

In a causal model a token sees itself and what stands before it, so what its attention is depends on its place and not on how long
the text goes on. Languages are compared at equal places: over the first `window` tokens of sentences that have so many.
"""

from __future__ import annotations

import torch
from torch import Tensor

MEASURES = ("entropy", "first", "previous")
FROM = 2  # the first query with two tokens to choose from beside the first one


def measures(weights: Tensor) -> Tensor:
    """The `MEASURES` of each head, means over queries: weights [n, H, T, T] to [n, H, 3].

    Queries from the third token on. entropy: of the attention on all visible tokens but the first, as a share of the largest
    that it could be; first: the weight of the first token, where most models put what they do not use; previous: the weight of
    the token just before.
    """
    count = weights.shape[-1]
    rest = weights[..., FROM:, 1:]
    visible = torch.arange(FROM, count, device=weights.device, dtype=weights.dtype)  # tokens beside the first
    share = rest / rest.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    entropy = torch.special.entr(share).sum(dim=-1) / visible.log()
    previous = weights.diagonal(offset=-1, dim1=-2, dim2=-1)[..., FROM - 1 :]
    return torch.stack([entropy, weights[..., FROM:, 0], previous], dim=-1).mean(dim=-2)
