"""GELU in one operation with the product before it, against the two written out."""

import pytest
import torch
import torch.nn.functional as F

from carryover.models.activation import FEW, linear_gelu


@pytest.fixture
def dense():
    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 40)
    torch.nn.init.normal_(layer.weight)
    return layer


def formula(hidden: torch.Tensor, dense: torch.nn.Linear) -> torch.Tensor:
    inner = hidden.double() @ dense.weight.double().T + dense.bias.double()
    return 0.5 * inner * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (inner + 0.044715 * inner**3)))


@pytest.mark.parametrize("shape", [(1, 24), (FEW - 1, 24), (FEW, 24), (5 * FEW, 24), (2, FEW, 24)])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_values(dense, shape, scale):
    hidden = scale * torch.randn(shape)
    with torch.no_grad():
        torch.testing.assert_close(linear_gelu(hidden, dense).double(), formula(hidden, dense), atol=2e-5 * scale, rtol=1e-5)


def test_gradients(dense):
    hidden = torch.randn(2 * FEW, 24, requires_grad=True)
    wanted = torch.autograd.grad(formula(hidden, dense).sin().sum(), [hidden, dense.weight, dense.bias])
    got = torch.autograd.grad(linear_gelu(hidden, dense).sin().sum(), [hidden, dense.weight, dense.bias])
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_weights_that_change_are_seen(dense):
    """Nothing of them is kept between calls: a model is scored between epochs."""
    hidden = torch.randn(FEW, 24)
    with torch.no_grad():
        before = linear_gelu(hidden, dense)
        dense.weight.mul_(-1)
        torch.testing.assert_close(linear_gelu(hidden, dense).double(), formula(hidden, dense), atol=2e-5, rtol=1e-5)
        assert not torch.allclose(linear_gelu(hidden, dense), before)


def test_bf16_under_autocast(dense):
    hidden = torch.randn(2 * FEW, 24)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = linear_gelu(hidden, dense)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), formula(hidden, dense), atol=0.1, rtol=0.02)
    assert F.gelu(half).isfinite().all()
