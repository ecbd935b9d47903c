"""The chunked loss through the tied projection against PyTorch's cross-entropy of whole logits."""

import pytest
import torch
import torch.nn.functional as F

from carryover.models import losses
from carryover.models.losses import ROWS_AT_ONCE, log_sum_exp_, tied_cross_entropy, tied_lookup


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


@pytest.mark.parametrize("gap", [0.0, 60.0, 80.0, 87.0, 88.0, 95.0, 104.0, 300.0])
def test_a_token_that_no_number_is_small_enough_for(gap):
    """Beside others that are likely: fp32 holds no probability under e-103, and loses digits from e-87 on."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    hidden = torch.tensor([[gap, 0.0], [gap / 2, 0.0], [0.0, 1.0]], requires_grad=True)
    targets = torch.tensor([1, 2, 1])
    loss = tied_cross_entropy(hidden, weight, targets)
    expected = F.cross_entropy(hidden @ weight.T, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    wanted, got = (torch.autograd.grad(value, hidden)[0] for value in (expected, loss))
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-7)


def test_a_loss_that_is_no_number_says_so():
    hidden, weight, targets = problem(4, dtype=torch.float32)
    with torch.no_grad():
        hidden[2, 1] = torch.nan
    assert tied_cross_entropy(hidden, weight, targets).isnan()
    with torch.no_grad():
        hidden[2, 1] = torch.inf
    assert not tied_cross_entropy(hidden, weight, targets).isfinite()


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


def test_tied_lookup_gives_the_gradient_of_both_uses():
    """As `F.embedding` and a second use of the matrix, tokens that occur twice among them, in one tensor."""
    _, weight, targets = problem(9)
    ids = torch.tensor([3, 1, 3, 3, 0, 30, 7, 1, 2])

    def loss_of(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return tied_cross_entropy(torch.tanh(rows), matrix, targets)

    wanted = torch.autograd.grad(loss_of(F.embedding(ids, weight), weight), weight)[0]
    rows, matrix = tied_lookup(weight, ids)
    torch.testing.assert_close(rows, F.embedding(ids, weight), atol=0, rtol=0)
    torch.testing.assert_close(torch.autograd.grad(loss_of(rows, matrix), weight)[0], wanted, atol=1e-12, rtol=0)


def test_tied_lookup_alone_has_the_gradient_of_a_lookup():
    _, weight, _ = problem(9)
    ids = torch.tensor([3, 1, 3])
    wanted = torch.autograd.grad(F.embedding(ids, weight).square().sum(), weight)[0]
    got = torch.autograd.grad(tied_lookup(weight, ids)[0].square().sum(), weight)[0]
    torch.testing.assert_close(got, wanted, atol=1e-12, rtol=0)


def test_log_sum_exp_leaves_the_softmax():
    logits = torch.tensor([[0.0, 1.0, 2.0], [1e4, 0.0, -1e4], [-5e3, -5e3, -5e3]])
    wanted, softmax = logits.logsumexp(dim=1), logits.softmax(dim=1)
    torch.testing.assert_close(log_sum_exp_(logits), wanted)
    torch.testing.assert_close(logits, softmax)
