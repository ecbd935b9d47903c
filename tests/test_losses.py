"""The chunked loss through the tied projection against PyTorch's cross-entropy of whole logits."""

import pytest
import torch
import torch.nn.functional as F

from carryover import losses
from carryover.losses import ROWS_AT_ONCE, tied_cross_entropy


def problem(rows: int, width: int = 6, vocabulary: int = 31, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, width, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(vocabulary, (rows,), generator=generator)


@pytest.mark.parametrize("rows", [1, 2, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
@pytest.mark.parametrize("factor", [1.0, -2.5])
def test_value_and_gradients(rows, factor):
    hidden, weight, targets = problem(rows)
    expected = F.cross_entropy(hidden @ weight.T, targets)
    wanted = torch.autograd.grad(factor * expected, (hidden, weight))
    loss = tied_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=0)
    got = torch.autograd.grad(factor * loss, (hidden, weight))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(tied_cross_entropy(hidden, weight, targets), expected.detach(), atol=1e-12, rtol=0)


def test_gradients_against_finite_differences(monkeypatch):
    monkeypatch.setattr(losses, "ROWS_AT_ONCE", 2)
    hidden, weight, targets = problem(5, width=3, vocabulary=7)
    tied_cross_entropy(hidden, weight, targets).backward()
    with torch.no_grad():
        for tensor in (hidden, weight):
            for place in range(tensor.numel()):
                values = []
                for shift in (1e-5, -1e-5):
                    tensor.view(-1)[place] += shift
                    values.append(float(tied_cross_entropy(hidden, weight, targets)))
                    tensor.view(-1)[place] -= shift
                assert float(tensor.grad.view(-1)[place]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


def test_gradient_of_a_tied_matrix_has_both_of_its_uses():
    """The embedding on the way in and the projection on the way out add up."""
    _, weight, targets = problem(9)
    ids = torch.arange(9) % 5

    def gradient(loss_of) -> torch.Tensor:
        return torch.autograd.grad(loss_of(torch.tanh(F.embedding(ids, weight))), weight)[0]

    chunked = gradient(lambda hidden: tied_cross_entropy(hidden, weight, targets))
    whole = gradient(lambda hidden: F.cross_entropy(hidden @ weight.T, targets))
    torch.testing.assert_close(chunked, whole, atol=1e-12, rtol=0)


def test_inputs_are_left_as_they_were():
    hidden, weight, targets = problem(ROWS_AT_ONCE + 5)
    before = [tensor.detach().clone() for tensor in (hidden, weight, targets)]
    tied_cross_entropy(hidden, weight, targets).backward()
    assert all(torch.equal(one, other) for one, other in zip((hidden, weight, targets), before, strict=True))


def test_large_logits_stay_numbers():
    hidden, weight, targets = problem(4, dtype=torch.float32)
    loss = tied_cross_entropy(hidden * 1e4, weight, targets)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(hidden.grad).all() and torch.isfinite(weight.grad).all()
    torch.testing.assert_close(loss, F.cross_entropy(hidden * 1e4 @ weight.T, targets), rtol=1e-5, atol=0)


def test_loss_is_in_fp32_under_autocast():
    """Training in bf16 autocasts the model; the logits and their gradient stay in fp32."""
    hidden, weight, targets = problem(7, dtype=torch.float32)
    expected = tied_cross_entropy(hidden, weight, targets)
    wanted = torch.autograd.grad(expected, (hidden, weight))
    with torch.autocast("cpu", torch.bfloat16):
        loss = tied_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(loss, expected)
    for one, other in zip(torch.autograd.grad(loss, (hidden, weight)), wanted, strict=True):
        torch.testing.assert_close(one, other)
