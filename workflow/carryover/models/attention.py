"""Attention with dropout of its weights, written out. PyTorch's fused kernel for the CPU has no dropout, and its fallback makes
three times the passes over the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from carryover.models.dropout import kept


class _DroppedAttention(torch.autograd.Function):
    """The gradient of softmax needs the sum of gradient times weight over the keys, which is that of gradient times output
    over the features (Dao et al. 2022, appendix B)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float) -> Tensor:
        scale = 1 / math.sqrt(query.shape[-1])
        weights = torch.matmul(query * scale, key.mT).add_(mask)
        torch.softmax(weights, dim=-1, out=weights)
        factors = kept(weights, dropout)
        output = torch.matmul(weights * factors, value)
        ctx.save_for_backward(query, key, value, weights, factors, output)
        ctx.scale = scale
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, weights, factors, output = ctx.saved_tensors
        value_grad = torch.matmul((weights * factors).mT, grad)
        scores_grad = torch.matmul(grad, value.mT).mul_(factors)
        scores_grad.sub_((grad * output).sum(dim=-1, keepdim=True)).mul_(weights)
        query_grad = torch.matmul(scores_grad, key).mul_(ctx.scale)
        key_grad = torch.matmul(scores_grad.mT, query).mul_(ctx.scale)
        return query_grad, key_grad, value_grad, None, None


def dropped_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """dropout(softmax(Q K^T / sqrt(d) + M)) V: query [B, H, Q, d], key and value [B, H, T, d] to [B, H, Q, d].

    mask: what is added to the scores, [B, 1, Q, T], or None for the causal triangle (Q equal to T).
    """
    if mask is None:
        mask = torch.full((query.shape[-2], key.shape[-2]), -torch.inf, dtype=query.dtype, device=query.device)
        mask = mask.triu_(1)
    return _DroppedAttention.apply(query, key, value, mask, dropout)
