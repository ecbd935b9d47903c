"""Neurons of one language: planted ones are found, and what is taken out is what is taken out of the weights."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from carryover.inspection.neurons import ablated, as_active, at_random, language_entropy, specific
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack
from tiny_models import CONFIGS, build

SEQUENCES = [np.arange(start, start + length, dtype=np.int32) for start, length in ((0, 7), (20, 12))]


def rates(languages=6, blocks=2, neurons=50):
    return np.random.default_rng(0).uniform(0.3, 0.6, (languages, blocks, neurons))


def test_entropy_is_scipys():
    found = rates()
    found[:, 1, 3] = 0
    expected = entropy(found, axis=0)
    np.testing.assert_allclose(np.delete(language_entropy(found).ravel(), 53), np.delete(expected.ravel(), 53))
    assert language_entropy(found)[1, 3] == pytest.approx(np.log(6))


def test_a_planted_neuron_is_found_and_belongs_to_its_language():
    found = rates()
    found[:, 0, 7], found[:, 1, 31] = 0.01, 0.01
    found[2, 0, 7] = found[4, 1, 31] = 0.9
    found[:, 0, 9] = 0.0
    found[3, 0, 9] = 0.02  # of one language alone, but hardly ever active
    found[:, 1, :6] = 1.0  # always active, so of no language
    chosen = specific(found, share=0.02)
    assert np.argwhere(chosen).tolist() == [[2, 0, 7], [4, 1, 31]]


def test_where_languages_differ_by_chance_no_language_has_most():
    chosen = specific(np.random.default_rng(1).binomial(500, 0.4, (10, 4, 500)) / 500, share=0.05)
    shares = chosen.sum(axis=(1, 2)) / chosen.sum()
    assert chosen.any(axis=0).sum() <= 100 and shares.max() < 0.2


def test_controls_are_as_many_others_of_the_same_blocks():
    rng = np.random.default_rng(2)
    chosen = rng.uniform(size=(3, 80)) < 0.1
    found = rng.uniform(size=(3, 80))
    for other in (at_random(chosen, rng), as_active(chosen, found, rng)):
        assert (other.sum(axis=1) == chosen.sum(axis=1)).all() and not (other & chosen).any()
    other = as_active(chosen, found, rng)
    differences = [np.sort(found[b, other[b]]) - np.sort(found[b, chosen[b]]) for b in range(3)]
    assert np.abs(np.concatenate(differences)).mean() < 0.12


@pytest.mark.parametrize("name", [*CONFIGS, "ours"])
def test_without_neurons_a_model_is_one_whose_weights_from_them_are_zero(name):
    def make():
        torch.manual_seed(0)
        return GPT2Model(GPT2Config(97, 64, 32, 3, 4, 56, 0.0)) if name == "ours" else HuggingFaceModel(build(name))

    model, zeroed = make().eval(), make().eval()
    chosen = np.random.default_rng(0).uniform(size=(model.facts.layers, model.facts.feed_forward)) < 0.3
    chosen[0] = False
    endings = ("down_proj", "mlp.c_proj", "dense_4h_to_h")
    with torch.no_grad():
        maps = [module for label, module in zeroed.linears().items() if label.endswith(endings)]
        for module, some in zip(maps, chosen, strict=True):
            transposed = module.weight.shape[0] == len(some) and type(module) is not torch.nn.Linear
            (module.weight.T if transposed else module.weight)[:, torch.from_numpy(some)] = 0
        batch = pack(SEQUENCES)
        plain = model.forward_packed(batch)
        with ablated(model, chosen):
            found = model.forward_packed(batch)
        torch.testing.assert_close(found, zeroed.forward_packed(batch), atol=1e-4, rtol=1e-4)
        assert (found - plain).abs().max() > 1e-3 and torch.equal(model.forward_packed(batch), plain)
