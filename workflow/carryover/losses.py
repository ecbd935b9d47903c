"""Cross-entropy through the tied output projection, without keeping the logits of a large vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_AT_ONCE = 256  # 256 rows of 50,257 fp32 logits are 49 MiB


class _TiedCrossEntropy(torch.autograd.Function):
    """Works on chunks of rows; logits become their own gradient in place, so that each chunk is written once."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros(())
        hidden_grad, weight_grad = torch.empty_like(hidden), torch.empty_like(weight)
        for start in range(0, len(hidden), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            logits = hidden[rows] @ weight.T
            wanted = targets[rows, None]
            norm = logits.logsumexp(dim=1, keepdim=True)
            total += (norm - logits.gather(1, wanted)).sum()
            logits.sub_(norm).exp_().scatter_add_(1, wanted, -torch.ones_like(norm))
            torch.mm(logits, weight, out=hidden_grad[rows])
            weight_grad.addmm_(logits.T, hidden[rows], beta=1 if start else 0)
        ctx.save_for_backward(hidden_grad.div_(len(hidden)), weight_grad.div_(len(hidden)))
        return total / len(hidden)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        return hidden_grad.mul_(grad), weight_grad.mul_(grad), None


def tied_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(hidden weight^T)[target], in nats: hidden [N, D], weight [V, D], targets [N]."""
    if torch.is_grad_enabled():
        with torch.autocast(hidden.device.type, enabled=False):  # the chunks stay in fp32
            return _TiedCrossEntropy.apply(hidden, weight, targets)
    losses = [
        F.cross_entropy(rows @ weight.T, wanted, reduction="sum")
        for rows, wanted in zip(hidden.split(ROWS_AT_ONCE), targets.split(ROWS_AT_ONCE), strict=True)
    ]
    return torch.stack(losses).sum() / len(hidden)
