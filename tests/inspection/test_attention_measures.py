"""Measures of attention against loops over queries."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from carryover.inspection.attention import MEASURES, measures


def causal(n, heads, length, seed=0):
    scores = torch.randn(n, heads, length, length, generator=torch.Generator().manual_seed(seed)) * 2
    return (scores + torch.full((length, length), -torch.inf).triu(1)).softmax(dim=-1)


def test_each_is_the_mean_over_queries_from_the_third_on():
    weights = causal(3, 2, 7)
    found = measures(weights).numpy()
    assert found.shape == (3, 2, len(MEASURES))
    for sentence, head in np.ndindex(3, 2):
        w = weights[sentence, head].numpy()
        expected = [
            np.mean([entropy(w[t, 1 : t + 1]) / np.log(t) for t in range(2, 7)]),  # scipy's takes what does not sum to 1
            np.mean([w[t, 0] for t in range(2, 7)]),
            np.mean([w[t, t - 1] for t in range(2, 7)]),
        ]
        np.testing.assert_allclose(found[sentence, head], expected, rtol=1e-5)


def test_attention_to_all_alike_is_1_at_any_length_and_to_one_token_0():
    for length in (3, 8, 40):
        alike = torch.tril(torch.ones(length, length))
        alike /= alike.sum(dim=1, keepdim=True)
        assert measures(alike[None, None])[0, 0, 0].item() == pytest.approx(1, abs=1e-6)
    assert measures(torch.eye(8)[None, None])[0, 0].tolist() == [0, 0, 0]
    assert measures(torch.diag(torch.ones(7), -1)[None, None])[0, 0].tolist() == [0, 0, 1]


def test_a_head_that_looks_at_the_first_token_alone_has_no_entropy_and_is_no_error():
    first = torch.zeros(6, 6)
    first[:, 0] = 1
    assert measures(first[None, None])[0, 0].tolist() == [0, 1, 0]


def test_weights_of_one_token_that_grow_do_not_change_the_entropy_of_the_rest():
    weights = causal(1, 1, 6)
    sunk = weights * 0.01
    sunk[..., 0] += 0.99
    torch.testing.assert_close(measures(sunk)[..., 0], measures(weights)[..., 0], atol=1e-5, rtol=1e-4)
