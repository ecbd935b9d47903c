"""Cross-entropy through the tied output projection, without keeping the logits of a large vocabulary.

A tied matrix has two uses, the lookup of tokens on the way in and the projection on the way out. `tied_lookup` chains them, so
that their gradients meet in one tensor of the matrix's size: made twice and added, it costs a step of a small model more
than all of its blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_AT_ONCE = 256  # 256 rows of 50,257 fp32 logits are 49 MiB


class _TiedLookup(torch.autograd.Function):
    """The rows' gradient is added where that of the matrix already lies."""

    @staticmethod
    def forward(ctx, weight: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(ids)
        return weight.index_select(0, ids), weight.view_as(weight)

    @staticmethod
    def backward(ctx, rows_grad: Tensor, weight_grad: Tensor) -> tuple[Tensor, None]:
        (ids,) = ctx.saved_tensors
        return weight_grad.index_add_(0, ids, rows_grad), None


def tied_lookup(weight: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """weight[ids], and the matrix [V, D] to hand to `tied_cross_entropy`, once, as the weight of the projection."""
    return _TiedLookup.apply(weight, ids)


def log_sum_exp_(logits: Tensor) -> Tensor:
    """log(sum(exp(logits))) of each row: [N, V] to [N]. Leaves the softmax in the place of the logits."""
    largest = logits.amax(dim=1)
    torch.softmax(logits, dim=1, out=logits)
    return largest - logits.amax(dim=1).log_()  # the largest probability is 1 over the sum of exp(logit - largest)


class _TiedCrossEntropy(torch.autograd.Function):
    """Works on chunks of rows; logits become their own gradient in place, so that each chunk is written once."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros(())
        hidden_grad, weight_grad = torch.empty_like(hidden), torch.empty_like(weight)
        share = 1 / len(hidden)
        for start in range(0, len(hidden), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            logits = hidden[rows] @ weight.T
            wanted = targets[rows, None]
            total -= logits.gather(1, wanted).sum()
            total += log_sum_exp_(logits).sum()
            logits.scatter_add_(1, wanted, -torch.ones_like(wanted, dtype=logits.dtype))
            torch.mm(logits, weight, out=hidden_grad[rows])
            weight_grad.addmm_(logits.T, hidden[rows] * share, beta=1 if start else 0)
        ctx.save_for_backward(hidden_grad.mul_(share), weight_grad)
        return total * share

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        if grad.is_cuda or grad != 1:  # on a GPU the comparison would wait for the device, on a CPU the product is slow
            hidden_grad, weight_grad = hidden_grad.mul_(grad), weight_grad.mul_(grad)
        return hidden_grad, weight_grad, None


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
