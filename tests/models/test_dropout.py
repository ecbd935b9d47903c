"""Dropout: how much is dropped, that the mean stays, that every element has a draw of its own, and that it repeats."""

import pytest
import torch
import torch.nn.functional as F

from carryover.models.dropout import STEPS, dropout, kept


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_and_the_mean(rate):
    torch.manual_seed(0)
    factors = kept(torch.empty(1000, 1001), rate)
    assert float((factors == 0).double().mean()) == pytest.approx(rate, abs=0.0025)  # five standard errors of a half
    assert float(factors.double().mean()) == pytest.approx(1, rel=6 * (rate / (1 - rate) / 1e6) ** 0.5)
    assert factors.unique().tolist() == [0, pytest.approx(1 / (1 - rate), rel=2e-4)]


@pytest.mark.parametrize("rate", [1e-9, 0.1, 1 - 1e-9])
def test_the_mean_is_that_of_the_rounded_rate(rate):
    """At rates that round to nothing and to everything, too: some can stay and some can go."""
    stay = min(max(round((1 - rate) * STEPS), 1), STEPS - 1)
    torch.manual_seed(0)
    factors = kept(torch.empty(4, dtype=torch.float64), rate)
    assert set(factors.tolist()) <= {0.0, STEPS / stay}
    assert 0 < stay < STEPS


def test_neighbours_are_independent():
    """Four elements come from one draw of 64 bits: none of them foretells another."""
    torch.manual_seed(0)
    gone = (kept(torch.empty(400_000), 0.3) == 0).double() - 0.3
    for lag in (1, 2, 3, 4, 5, 8):
        correlation = float((gone[lag:] * gone[:-lag]).mean() / (0.3 * 0.7))
        assert abs(correlation) < 5 / 400_000**0.5
    places = (kept(torch.empty(100_000, 4), 0.3) == 0).double().mean(dim=0)
    assert places.tolist() == pytest.approx([0.3] * 4, abs=5 * (0.21 / 100_000) ** 0.5)


@pytest.mark.parametrize("shape", [(1,), (3,), (5,), (7, 3), (2, 3, 5), (0, 4)])
def test_shapes_that_no_draw_fills(shape):
    torch.manual_seed(0)
    assert kept(torch.empty(shape), 0.5).shape == shape


def test_it_is_a_function_of_the_seed_alone():
    """Threads share the work and not the draws."""
    before, drawn = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            torch.manual_seed(7)
            drawn.append(torch.stack([kept(torch.empty(300, 1000), 0.1) for _ in range(2)]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][0], drawn[0][1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradient_passes_where_values_pass(dtype):
    torch.manual_seed(0)
    values = torch.ones(50, 60, dtype=dtype, requires_grad=True)
    dropped = dropout(values, 0.25, training=True)
    dropped.sum().backward()
    assert dropped.dtype == dtype
    assert torch.equal(values.grad, dropped.detach())


def test_nothing_is_dropped_outside_training_or_at_a_rate_of_nothing():
    values = torch.randn(5, 6)
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0, training=True) is values


def test_it_is_pytorchs_in_distribution():
    """The number of elements that stay in rows of 20, against PyTorch's own."""
    torch.manual_seed(0)
    ours = (dropout(torch.ones(50_000, 20), 0.1, training=True) > 0).sum(dim=1)
    theirs = (F.dropout(torch.ones(50_000, 20), 0.1) > 0).sum(dim=1)
    counts = torch.stack([part.bincount(minlength=21) for part in (ours, theirs)]).double()
    counts = counts[:, counts.sum(dim=0) > 20]
    chi_square = float(((counts[0] - counts[1]) ** 2 / counts.sum(dim=0)).sum())
    assert chi_square < counts.shape[1] + 5 * (2 * counts.shape[1]) ** 0.5
