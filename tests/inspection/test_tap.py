"""The tap: the same answers as without it, and the same insides as transformers shows of a model that nobody touched."""

import numpy as np
import pytest
import torch

from carryover.inspection.interventions import randomise
from carryover.inspection.tap import kept_states, read, tap
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack
from carryover.runtime.errors import BadInput
from tiny_models import CONFIGS, build

SEQUENCES = [np.arange(start, start + length, dtype=np.int32) for start, length in ((0, 7), (5, 1), (20, 12), (40, 5))]
WINDOW = 5


@pytest.fixture(params=[*CONFIGS, "ours"])
def pair(request, tmp_path):
    """A model behind the seam, and transformers' own of the same weights with attention written out."""
    if request.param == "ours":
        twin = build("gpt2")
        twin.save_pretrained(tmp_path)
        return GPT2Model.from_pretrained(tmp_path, 0.0).eval(), eager(twin)
    return HuggingFaceModel(build(request.param)), eager(build(request.param))


def eager(model):
    model.set_attn_implementation("eager")
    return model


def alone(twin, sequence):
    with torch.no_grad():
        ids = torch.from_numpy(sequence.astype(np.int64))[None]
        return twin.base_model(ids, output_hidden_states=True, output_attentions=True)


def test_a_tapped_model_gives_the_same_logits(pair):
    model, _ = pair
    batch, seen = pack(SEQUENCES), []
    with torch.no_grad():
        plain = model.hidden_state_to_token(model.forward_packed(batch))
        tapped = tap(model, batch, *[lambda number, value, kind=kind: seen.append((kind, number)) for kind in "han"])
        torch.testing.assert_close(model.hidden_state_to_token(tapped), plain, atol=1e-5, rtol=1e-5)
        layers = model.facts.layers
        assert sorted(seen) == [
            (k, i) for k, start, stop in (("a", 0, layers), ("h", 0, layers + 1), ("n", 0, layers)) for i in range(start, stop)
        ]
        seen.clear()
        assert torch.equal(model.hidden_state_to_token(model.forward_packed(batch)), plain) and not seen  # nothing stays in


def test_states_and_weights_are_those_of_each_sequence_alone(pair):
    model, twin = pair
    states, attention = {}, {}
    with torch.no_grad():
        tap(model, pack(SEQUENCES), states.__setitem__, attention.__setitem__, None)
        start = 0
        for row, sequence in enumerate(SEQUENCES):
            theirs, stop = alone(twin, sequence), start + len(sequence)
            for number, expected in enumerate(theirs.hidden_states):
                found = states[number][start:stop]
                found = model.last_norm(found) if number == model.facts.layers else found
                torch.testing.assert_close(found, expected[0], atol=1e-4, rtol=1e-4)
            for number, expected in enumerate(theirs.attentions):
                found = attention[number][row, :, : len(sequence), : len(sequence)]
                torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=1e-4)
            start = stop


def test_what_is_kept_of_a_sentence_is_what_it_has_alone(pair):
    model, twin = pair
    reading = read(model, SEQUENCES, [0, 2], WINDOW)
    assert reading.pooled.shape == (4, 2, model.facts.width) and reading.tokens.tolist() == [7, 1, 12, 5]
    for row, sequence in enumerate(SEQUENCES):
        hidden = alone(twin, sequence).hidden_states
        for place, state in ((0, 0), *([(1, 2)] if model.facts.layers > 2 else [])):  # the last one is shown after the norm
            kept = hidden[state][0].numpy()
            np.testing.assert_allclose(reading.pooled[row, place], (kept[1:] if len(kept) > 1 else kept).mean(axis=0), atol=1e-4)
            np.testing.assert_allclose(reading.whole[row, place], kept.mean(axis=0), atol=1e-4)
    assert np.isnan(reading.attention[1]).all() and not np.isnan(reading.attention[[0, 2, 3]]).any()
    weights = alone(twin, SEQUENCES[2]).attentions[1][0, :, :WINDOW, :WINDOW].numpy()
    np.testing.assert_allclose(reading.attention[2, 1, :, 1], weights[:, 2:, 0].mean(axis=1), atol=1e-5)


def test_nats_are_those_of_each_sentence_alone(pair):
    model, twin = pair
    found = read(model, SEQUENCES, [0], WINDOW).nats
    with torch.no_grad():
        for nats, sequence in zip(found, SEQUENCES, strict=True):
            ids = torch.from_numpy(sequence.astype(np.int64))
            expected = torch.nn.functional.cross_entropy(twin(ids[None]).logits[0, :-1], ids[1:], reduction="sum")
            assert nats == pytest.approx(expected.item(), abs=1e-4)


def test_active_neurons_are_counted():
    model = GPT2Model(GPT2Config(97, 64, 32, 2, 4, 56, 0.0))
    with torch.no_grad():
        model.blocks[1].feed_forward_in.weight.zero_()
        model.blocks[1].feed_forward_in.bias.copy_(torch.arange(56) - 10.0)
    reading = read(model, SEQUENCES, [0], WINDOW)
    assert reading.active.shape == (2, 56) and reading.active[1].tolist() == [0] * 11 + [25] * 45
    assert 0 < reading.active[0].mean() < 25


def test_random_weights_leave_nothing_of_the_old():
    models = [HuggingFaceModel(build("llama", seed)) for seed in (0, 1)]
    for model in models:
        randomise(model, seed=3)
    first, second = (read(model, SEQUENCES, [0, 3], WINDOW).pooled for model in models)
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all() and first.std() > 0


def test_a_state_that_a_model_does_not_have_is_refused():
    assert kept_states(None, 2) == [0, 1, 2] and kept_states([2, 0], 2) == [0, 2]
    with pytest.raises(BadInput, match=r"interpretability.layers: 3, and a model has 2 blocks"):
        kept_states([3], 2)
