"""The comparison with transformers that the pipeline runs: it passes on equal models and on no others."""

import pytest
import torch
import transformers

from carryover.evaluation import parity
from carryover.models.gpt2 import GPT2Model
from carryover.runtime.errors import BadInput

TOLERANCE = 1e-4


def changed(method, change):
    """`from_pretrained` of either side, with one thing changed in the model that it returns."""

    def from_pretrained(*arguments, **options):
        model = method(*arguments, **options)
        with torch.no_grad():
            change(model)
        return model

    return from_pretrained


@pytest.mark.parametrize("shape", [{}, {"n_positions": 200, "n_layer": 3}, {"n_positions": 5}])
def test_saved_model_passes(make_model, tmp_path, shape):
    make_model(std=0.3, **shape).save_pretrained(tmp_path)
    result = parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, TOLERANCE, seed=0)
    assert result["passed"] is True
    assert 0 < result["max_difference"] < TOLERANCE
    assert result["max_difference"] == max(result["hidden"], result["logits"])
    assert (result["tolerance"], result["transformers"]) == (TOLERANCE, transformers.__version__)


# No change below moves all features of a state alike: the next layer norm would take it out again.
def shift_weight(model):
    model.layers[1].feed_forward_in.weight[0, 0] += 0.05


def shift_last_bias(model):
    model.final_layer_norm.bias[3] += 1e-2


def shift_late_position(model):
    model.position_embedding.weight[40, 0] += 0.1  # short sequences alone would not reach it


def drop_epsilon(model):
    for layer in model.layers:
        layer.attention_norm.eps = 0.1


def poison(model):
    model.final_layer_norm.weight[0] = float("nan")


@pytest.mark.parametrize("change", [shift_weight, shift_last_bias, shift_late_position, drop_epsilon, poison])
def test_changed_model_fails(make_model, tmp_path, monkeypatch, change):
    make_model(std=0.3).save_pretrained(tmp_path)
    monkeypatch.setattr(GPT2Model, "from_pretrained", changed(GPT2Model.from_pretrained, change))
    with pytest.raises(BadInput, match=f"{tmp_path}: differs from transformers"):
        parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, TOLERANCE, seed=0)


def shift_stored_weight(model):
    model.transformer.h[0].attn.c_proj.weight[2, 0] += 0.05


def poison_stored(model):
    model.transformer.ln_f.weight[0] = float("nan")


@pytest.mark.parametrize("change", [shift_stored_weight, poison_stored])
def test_changed_other_side_fails(make_model, tmp_path, monkeypatch, change):
    make_model(std=0.3).save_pretrained(tmp_path)
    theirs = transformers.GPT2LMHeadModel
    monkeypatch.setattr(theirs, "from_pretrained", changed(theirs.from_pretrained, change))
    with pytest.raises(BadInput, match="differs from transformers"):
        parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, TOLERANCE, seed=0)


def test_model_of_no_numbers_fails(make_model, tmp_path):
    """A diverged model differs from nothing; it has not been compared either."""
    model = make_model()
    with torch.no_grad():
        model.token_embedding.weight.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    with pytest.raises(BadInput):
        parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, TOLERANCE, seed=0)


def test_tolerance_decides(make_model, tmp_path, monkeypatch):
    make_model(std=0.3).save_pretrained(tmp_path)
    monkeypatch.setattr(GPT2Model, "from_pretrained", changed(GPT2Model.from_pretrained, shift_last_bias))
    assert parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, 1.0, seed=0)["passed"]
    with pytest.raises(BadInput):
        parity.compare(GPT2Model.from_pretrained(tmp_path), tmp_path, 1e-6, seed=0)
