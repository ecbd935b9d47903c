"""The GPU against the plain fp32 path on the CPU, which all other tests hold to independent implementations."""

import copy

import numpy as np
import pytest
import torch

from carryover.answers import choice
from carryover.answers.choice import score
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible")
# bf16 keeps 8 bits of a number: sums of hidden states are good to about a hundredth.
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2}


@pytest.fixture(autouse=True)
def as_in_a_job(monkeypatch):
    """Deterministic kernels where there are any, as `choose_device` asks."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def trained(make_model, make_prompts, make_recipe):
    """A factory: the losses and weights of two epochs on a device, from the same weights on the same data."""

    def train(device: str, dropout: float = 0.0, **recipe):
        model = make_model(dropout=dropout).to(device)
        data = make_prompts(40)
        history = finetune(model, choice, data, {"en": data}, make_recipe(epochs=2, **recipe), 0, Checkpoints(None))
        return [point["loss"] for point in history.curve], {name: value.cpu() for name, value in model.state_dict().items()}

    return train


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scores_are_those_of_the_cpu(make_model, make_prompts, precision):
    model, prompts = make_model(), make_prompts(30)
    wanted = score(model, prompts, "fp32")
    got = score(copy.deepcopy(model).cuda(), prompts, precision)
    np.testing.assert_allclose(got.logp, wanted.logp, atol=TOLERANCE[precision], rtol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_are_those_of_the_cpu(make_model, make_prompts, precision):
    gradients = []
    for device, autocast in (("cpu", False), ("cuda", precision == "bf16")):
        model, prompts = make_model().to(device).train(), make_prompts(12)
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            choice.loss(model, prompts, np.arange(8)).backward()
        gradients.append(torch.cat([value.grad.flatten().cpu() for value in model.parameters() if value.grad is not None]))
    difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert difference < TOLERANCE[precision]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_follow_those_of_the_cpu(trained, precision):
    wanted, _ = trained("cpu")
    got, weights = trained("cuda", precision=precision)
    assert got == pytest.approx(wanted, rel=TOLERANCE[precision])
    assert all(value.dtype == torch.float32 for value in weights.values())  # master weights


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_runs_end_in_the_same_bits(trained, precision):
    (one_curve, one), (other_curve, other) = (trained("cuda", dropout=0.1, precision=precision) for _ in range(2))
    assert one_curve == other_curve
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_step_waits_for_nothing(make_model, make_prompts):
    """A loss and its gradients are asked for without a wait of the host for the device."""
    model, prompts = make_model(dropout=0.1).cuda().train(), make_prompts(12)
    choice.loss(model, prompts, np.arange(8)).backward()  # what the first step sets up
    torch.cuda.set_sync_debug_mode("error")
    try:
        choice.loss(model, prompts, np.arange(8)).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
