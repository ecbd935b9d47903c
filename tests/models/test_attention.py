"""Attention with dropout against the formula written out, with the same weights dropped."""

import pytest
import torch

from carryover.models.attention import dropped_attention
from carryover.models.dropout import kept


def formula(query, key, value, mask, dropout):
    scores = query @ key.mT / query.shape[-1] ** 0.5 + mask
    weights = scores.softmax(dim=-1)
    return (weights * kept(weights, dropout)) @ value


@pytest.mark.parametrize("dropout", [0.1, 0.5])
@pytest.mark.parametrize(("queries", "causal"), [(7, True), (7, False), (1, False)])
def test_values_and_gradients(dropout, queries, causal):
    torch.manual_seed(1)
    shapes = [(2, 3, queries, 5), (2, 3, 7, 5), (2, 3, 7, 5)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    seen = torch.rand(2, 1, queries, 7) < 0.7
    seen[..., 0] = True
    mask = torch.zeros(2, 1, queries, 7, dtype=torch.float64).masked_fill(~seen, -torch.inf)
    full = torch.full((7, 7), -torch.inf, dtype=torch.float64).triu(1) if causal else mask
    outputs = []
    for function, its_mask in ((formula, full), (dropped_attention, None if causal else mask)):
        torch.manual_seed(2)
        output = function(*inputs, its_mask, dropout)
        outputs.append([output, *torch.autograd.grad(output.sin().sum(), inputs)])
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_the_share_that_is_dropped():
    torch.manual_seed(0)
    query, key = torch.zeros(1, 1, 400, 4), torch.zeros(1, 1, 400, 4)
    weights = dropped_attention(query, key, torch.eye(400)[None, None], torch.zeros(1, 1, 400, 400), 0.1)
    assert float((weights == 0).float().mean()) == pytest.approx(0.1, abs=0.004)
    torch.testing.assert_close(weights[weights > 0], torch.full_like(weights[weights > 0], 1 / (400 * 0.9)), rtol=1e-5, atol=0)
