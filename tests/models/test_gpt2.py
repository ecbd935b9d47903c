"""GPT-2 against transformers, against attention written out, and the model directories that it refuses."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from carryover.models.gpt2 import CausalSelfAttention, GPT2Config, GPT2Layer, GPT2Model, GPTPreTrainedModel
from carryover.models.packing import Layout
from carryover.runtime.errors import BadInput

SHAPES = [
    {"n_layer": 1, "n_head": 1, "n_embd": 24, "n_inner": 96},
    {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_inner": 56, "vocab_size": 131},
    {"n_layer": 3, "n_head": 2, "n_embd": 16, "n_inner": 20, "layer_norm_epsilon": 1e-2},
]
BIG = 5.0  # what a wrong tensor is filled with


def ragged(lengths: list[int], side: str, vocabulary: int = 97, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and positions of sequences padded on one side with ids that mean something, were they read."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocabulary, (len(lengths), max(lengths)), generator=generator)
    place = torch.arange(max(lengths))
    length = torch.tensor(lengths)[:, None]
    mask = (place < length if side == "right" else place >= max(lengths) - length).long()
    return ids, mask, (mask.cumsum(1) - 1).clamp(min=0)


def largest(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).detach().abs().max())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_saved_model_is_the_same_in_transformers(make_model, twin, shape, seed):
    model = make_model(seed, std=0.4, **shape)
    ids = torch.randint(model.config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(seed))
    theirs = twin(model)(ids, output_hidden_states=True)
    ours = model(ids)
    assert largest(ours["last_hidden_state"], theirs.hidden_states[-1]) < 1e-4
    assert largest(model.hidden_state_to_token(ours["last_hidden_state"]), theirs.logits) < 1e-4
    assert theirs.logits.std() > 0.5  # a comparison of zeros would say nothing


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("n_inner", [None, 40])
def test_directory_that_transformers_saved_is_read(tmp_path, prefixed, n_inner):
    config = transformers.GPT2Config(
        vocab_size=83,
        n_positions=32,
        n_embd=24,
        n_layer=2,
        n_head=3,
        n_inner=n_inner,
        layer_norm_epsilon=1e-3,
        initializer_range=0.3,
    )
    torch.manual_seed(3)
    whole = transformers.GPT2LMHeadModel(config).eval()
    (whole if prefixed else whole.transformer).save_pretrained(tmp_path)
    assert any(name.startswith("transformer.") for name in load_file(tmp_path / "model.safetensors")) == prefixed
    ours = GPT2Model.from_pretrained(tmp_path).eval()
    assert ours.config.n_inner == (n_inner or 96)
    ids = torch.randint(83, (2, 32))
    with torch.no_grad():
        assert largest(ours.hidden_state_to_token(ours(ids)["last_hidden_state"]), whole(ids).logits) < 1e-4


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("lengths", [[9, 1, 5, 12], [7, 7], [20]])
def test_padded_batch_is_the_same_in_transformers(make_model, twin, side, lengths):
    model = make_model(std=0.4)
    ids, mask, positions = ragged(lengths, side)
    ours = model(ids, mask)
    theirs = twin(model).transformer(ids, attention_mask=mask, position_ids=positions).last_hidden_state
    real = mask.bool()
    assert largest(ours["last_hidden_state"][real], theirs[real]) < 1e-4
    last = torch.stack([row[keep][-1] for row, keep in zip(theirs, real, strict=True)])
    assert largest(ours["last_token"], last) < 1e-4
    assert not ours["last_hidden_state"][~real].any()


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(make_model, side):
    """Each row of a padded batch is what it is alone, whatever stands in the padding."""
    model = make_model(std=0.4)
    lengths = [9, 1, 5, 12]
    ids, mask, _ = ragged(lengths, side)
    batch = model(ids, mask)
    other = model(torch.where(mask.bool(), ids, (ids + 1) % 97), mask)
    assert torch.equal(batch["last_hidden_state"], other["last_hidden_state"])
    for row in range(len(lengths)):
        alone = model(ids[row][mask[row].bool()][None])
        assert largest(batch["last_hidden_state"][row][mask[row].bool()], alone["last_hidden_state"][0]) < 1e-5
        assert largest(batch["last_token"][row], alone["last_token"][0]) < 1e-5


def test_future_tokens_do_not_change_the_past(make_model):
    model = make_model(std=0.4)
    ids = torch.randint(97, (1, 30), generator=torch.Generator().manual_seed(0))
    states = model(ids)["last_hidden_state"]
    for cut in (1, 7, 29):
        changed = ids.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % 97
        after = model(changed)["last_hidden_state"]
        assert largest(after[:, :cut], states[:, :cut]) < 1e-6
        assert (after[:, cut:] - states[:, cut:]).abs().amax(-1).min() > 1e-2


def test_initialisation_is_the_handouts():
    torch.manual_seed(0)
    model = GPT2Model(GPT2Config(vocab_size=400, n_positions=200, n_embd=96, n_layer=2, n_head=4, n_inner=200))
    for name, parameter in model.named_parameters():
        if "norm.weight" in name:
            assert torch.equal(parameter, torch.ones_like(parameter)), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.03), name
            assert abs(parameter.mean().item()) < 5e-4, name
    wide = GPT2Model(GPT2Config(vocab_size=400, n_embd=96, n_layer=1, initializer_range=0.1))
    assert wide.token_embedding.weight.std().item() == pytest.approx(0.1, rel=0.03)


def test_default_shape_is_gpt2_124m():
    with torch.device("meta"):
        model = GPT2Model(GPT2Config())
    assert sum(parameter.numel() for parameter in model.parameters()) == 124_439_808  # as published, the tied matrix once
    assert isinstance(model, GPTPreTrainedModel)


def test_output_projection_is_the_token_embedding(make_model):
    model = make_model()
    hidden = torch.randn(3, 5, 32)
    assert torch.allclose(model.hidden_state_to_token(hidden), hidden @ model.token_embedding.weight.T, atol=1e-6)
    with torch.no_grad():
        model.token_embedding.weight[7] = 0
    assert not model.hidden_state_to_token(hidden)[..., 7].any()


def test_dropout_is_on_in_training_alone(make_model):
    model = make_model(dropout=0.5)
    ids = torch.randint(97, (2, 20))
    torch.manual_seed(0)
    assert torch.equal(model(ids)["last_token"], model(ids)["last_token"])
    still = model(ids)["last_token"]
    model.train()
    assert largest(model(ids)["last_token"], model(ids)["last_token"]) > 0.1
    without = make_model(dropout=0.0)
    assert torch.equal(without.train()(ids)["last_token"], still)


def test_dropout_is_on_embeddings_attention_weights_and_both_branches(make_model):
    model = make_model(dropout=0.5, n_positions=400).train()
    torch.manual_seed(0)
    ids, positions = torch.arange(90), torch.arange(90)
    whole = model.eval().embed(ids, positions)
    dropped = model.train().embed(ids, positions) / whole
    assert set(dropped.unique().tolist()) <= {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.1)

    layer = model.layers[0]
    query, value = torch.randn(1, 4, 60, 8), torch.ones(1, 4, 60, 8)
    assert torch.allclose(layer.eval().attention.attention(query, query, value, None), torch.ones(1, 60, 32), atol=1e-5)
    spread = layer.train().attention.attention(query, query, value, None)
    assert spread.std() > 0.1  # weights that no longer sum to one

    calls = []
    layer.add = lambda hidden, output, dense: (calls.append(dense), GPT2Layer.add(layer, hidden, output, dense))[1]
    layer(whole, Layout(1, 90, torch.arange(90)))
    assert calls == [layer.attention_dense, layer.feed_forward_out]


def test_add_projects_drops_and_adds(make_model):
    layer = make_model(dropout=0.5).layers[0]
    hidden, output = torch.randn(70, 32), torch.randn(70, 56)
    projected = output @ layer.feed_forward_out.weight.T + layer.feed_forward_out.bias
    assert torch.allclose(layer.eval().add(hidden, output, layer.feed_forward_out), hidden + projected, atol=1e-5)
    torch.manual_seed(0)
    ratio = (layer.train().add(hidden, output, layer.feed_forward_out) - hidden) / projected
    kept = (ratio - 2).abs() < 1e-2
    assert (kept | (ratio.abs() < 1e-2)).all()  # what is kept is doubled, and what is not kept is gone, the input never
    assert float(kept.float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_a_softmax_of_scaled_products(masked):
    config = GPT2Config(n_embd=12, n_head=3, dropout=0.0)
    attention = CausalSelfAttention(config).eval()
    torch.manual_seed(0)
    query, key, value = (2 * torch.randn(2, 3, 6, 4) for _ in range(3))
    mask = torch.rand(2, 1, 6, 6) < 0.5 if masked else None
    if masked:
        mask = mask | torch.eye(6, dtype=torch.bool)
    ours = attention.attention(query, key, value, mask)
    assert ours.shape == (2, 6, 12)
    for row in range(2):
        for head in range(3):
            for place in range(6):
                seen = [j for j in range(6) if (bool(mask[row, 0, place, j]) if masked else j <= place)]
                scores = torch.stack([query[row, head, place] @ key[row, head, j] / 4**0.5 for j in seen])
                weights = scores.exp() / scores.exp().sum()
                expected = sum(weight * value[row, head, j] for weight, j in zip(weights, seen, strict=True))
                assert torch.allclose(ours[row, place, 4 * head : 4 * head + 4], expected, atol=1e-5)


def test_recipe_sets_the_dropout_of_a_stored_model(make_model, tmp_path):
    make_model(dropout=0.3).save_pretrained(tmp_path)
    assert GPT2Model.from_pretrained(tmp_path).layers[0].attention.dropout == 0.3
    model = GPT2Model.from_pretrained(tmp_path, dropout=0.05)
    assert {model.dropout, model.layers[1].dropout, model.layers[1].attention.dropout} == {0.05}


def test_reading_a_model_draws_nothing(make_model, tmp_path):
    """Weights that are read are not drawn first: GPT-2's would take a second."""
    model = make_model()
    model.save_pretrained(tmp_path)
    before = torch.get_rng_state()
    read = GPT2Model.from_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    for (name, one), (_, other) in zip(model.named_parameters(), read.named_parameters(), strict=True):
        assert torch.equal(one, other) and other.requires_grad and other.is_contiguous(), name
    drawn = GPT2Model(model.config)
    assert not torch.equal(torch.get_rng_state(), before)
    assert float(drawn.layers[0].feed_forward_in.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_weights_may_lie_elsewhere(make_model, tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path / "model")
    moved = (tmp_path / "model" / "model.safetensors").rename(tmp_path / "elsewhere.bin")
    again = GPT2Model.from_pretrained(tmp_path / "model", weights=moved)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


def in_config(named: str = "config.json", **changes):
    def change(directory: Path) -> Path:
        path = directory / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return directory / named

    return change


def in_weights(change):
    def rewrite(directory: Path) -> Path:
        path = directory / "model.safetensors"
        tensors = change(load_file(path))
        path.unlink()
        save_file(tensors, path)
        return path

    return rewrite


def written(name: str, content: bytes):
    def write(directory: Path) -> Path:
        (directory / name).write_bytes(content)
        return directory / name

    return write


def truncated(directory: Path) -> Path:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def pickled(directory: Path) -> Path:
    torch.save(load_file(directory / "model.safetensors"), directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    return directory


def without_config(directory: Path) -> Path:
    (directory / "config.json").unlink()
    return directory


def reshaped(name: str, *shape: int):
    return in_weights(lambda tensors: {**tensors, name: torch.full(shape, BIG)})


def dropped(name: str):
    return in_weights(lambda tensors: {key: tensor for key, tensor in tensors.items() if key != name})


REFUSED = {
    "another architecture": (in_config(model_type="bert"), "model_type"),
    "another activation": (in_config(activation_function="gelu"), "activation_function"),
    "attention scaled by layer": (in_config(scale_attn_by_inverse_layer_idx=True), "scale_attn_by_inverse_layer_idx"),
    "an output projection of its own": (in_config(tie_word_embeddings=False), "tie_word_embeddings"),
    "three dropout rates": (in_config(attn_pdrop=0.1, embd_pdrop=0.2, resid_pdrop=0.3), "dropout"),
    "heads that do not divide the width": (in_config(n_head=5), "n_head"),
    "more tokens than stored": (in_config("model.safetensors", vocab_size=98), "wte.weight"),
    "more positions than stored": (in_config("model.safetensors", n_positions=64), "wpe.weight"),
    "more layers than stored": (in_config("model.safetensors", n_layer=3), "h.2."),
    "another feed-forward width": (in_config("model.safetensors", n_inner=None), "mlp.c_fc"),
    "a matrix not transposed": (reshaped("transformer.h.1.mlp.c_fc.weight", 56, 32), "h.1.mlp.c_fc.weight"),
    "a short bias": (reshaped("transformer.h.0.attn.c_attn.bias", 95), "h.0.attn.c_attn.bias"),
    "a missing tensor": (dropped("transformer.h.0.ln_2.bias"), "h.0.ln_2.bias"),
    "a truncated file": (truncated, "safetensors"),
    "an empty file": (written("model.safetensors", b""), "safetensors"),
    "pickled weights alone": (pickled, "safetensors"),
    "a config that is not JSON": (written("config.json", b"model_type: gpt2\n"), "JSON"),
    "a config that is not UTF-8": (written("config.json", b'{"model_type": "gpt2\xff"}'), "JSON"),
    "a config that is no object": (written("config.json", b"[]"), "model_type"),
    "no config": (without_config, "config.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_directory_is_named(make_model, tmp_path, case):
    make_model().save_pretrained(tmp_path / "model")
    spoil, word = REFUSED[case]
    path = spoil(tmp_path / "model")
    with pytest.raises(BadInput) as caught:
        GPT2Model.from_pretrained(tmp_path / "model")
    assert str(path) in str(caught.value)
    assert word in str(caught.value).replace(str(path), "", 1)
