"""Cross-entropy through the tied output projection, without keeping the logits of a large vocabulary.

A tied matrix has two uses, the lookup of tokens on the way in and the projection on the way out. `tied_lookup` chains them, so
that their gradients meet in one tensor of the matrix's size: made twice and added, it costs a step of a small model more
than all of its blocks.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_AT_ONCE = 512  # 512 rows of 50,257 fp32 logits are 98 MiB


class _TiedLookup(torch.autograd.Function):
    """The rows' gradient is added where that of the matrix already lies."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(ids)
        return weight.index_select(0, ids), weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, rows_grad: Tensor, weight_grad: Tensor) -> tuple[Tensor, None]:
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


def _surprise(softmax: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(hidden weight^T)[target] of each row, of the softmax [N, V]: one number is read from a row."""
    probability = softmax.gather(1, targets[:, None]).squeeze(1)
    surprise = -probability.log()
    # Under the smallest number the logarithm is lost. There it is that of the most likely token plus what their logits differ by.
    lost = probability < torch.finfo(softmax.dtype).tiny
    if softmax.device.type != "cpu" or lost.any():  # asking a GPU would wait for it
        likeliest, place = softmax.max(dim=1)
        apart = (hidden * (weight[place] - weight[targets])).sum(dim=1)
        surprise = torch.where(lost, apart - likeliest.log(), surprise)
    return surprise


class _TiedCrossEntropy(torch.autograd.Function):
    """Works on chunks of rows; logits become their own gradient in place, so that each chunk is written once."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros(())
        hidden_grad, weight_grad = torch.empty_like(hidden), torch.empty_like(weight) if ctx.needs_input_grad[1] else None
        share = 1 / len(hidden)
        # Chunks of one size: one of a few rows would read and write the whole matrix for little.
        count = -(-len(hidden) // ROWS_AT_ONCE)
        for number, (part, part_grad, wanted) in enumerate(
            zip(hidden.tensor_split(count), hidden_grad.tensor_split(count), targets.tensor_split(count), strict=True)
        ):
            logits = part @ weight.T
            torch.softmax(logits, dim=1, out=logits)
            total += _surprise(logits, part, weight, wanted).sum()
            logits.scatter_add_(1, wanted[:, None], -torch.ones_like(wanted, dtype=logits.dtype)[:, None])
            torch.mm(logits, weight, out=part_grad)
            if weight_grad is not None:
                weight_grad.addmm_(logits.T, part * share, beta=1 if number else 0)
        ctx.save_for_backward(hidden_grad.mul_(share), weight_grad)
        return total * share

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        # On a GPU the comparison would wait for the device, on a CPU the product is slow.
        if grad.device.type != "cpu" or grad != 1:
            hidden_grad, weight_grad = hidden_grad.mul_(grad), None if weight_grad is None else weight_grad.mul_(grad)
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
