"""Attention written out: its weights, and with dropout of them. PyTorch's fused kernel for the CPU returns none and has no
dropout, and its fallback makes three times the passes over the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from carryover.models.dropout import kept


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scale: float | None = None) -> Tensor:
    """softmax(scale Q K^T + M), [B, H, Q, T], which fused attention does not return.

    query: [B, H, Q, d]; key: [B, K, T, d], each for H / K heads of queries; mask: [B, 1, Q, T], what is added to the scores, or
    None for the causal triangle (Q equal to T); scale: 1 / sqrt(d) without one.
    """
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = torch.matmul(query, key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    return torch.softmax(scores + (_causal(query, key) if mask is None else mask), dim=-1)


def _causal(query: Tensor, key: Tensor) -> Tensor:
    """What is added to the scores so that a token sees itself and what stands before it, [Q, T]."""
    mask = torch.full((query.shape[-2], key.shape[-2]), -torch.inf, dtype=query.dtype, device=query.device)
    return mask.triu_(1)


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
    mask = _causal(query, key) if mask is None else mask
    return _DroppedAttention.apply(query, key, value, mask, dropout)
