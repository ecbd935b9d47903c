"""What every method keeps: it trains what it says and nothing else, begins as the model was, is saved, read, merged and resumed,
and answers the same packed and alone. peft is the twin where it has the method; numbers of weights are in closed form."""

import copy
import json

import numpy as np
import peft
import pytest
import torch
from peft.utils.constants import (
    TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
)
from safetensors.torch import load_file, save_file

from carryover.methods import adapters, full, ia3, int8, last_layers, lora, pruned
from carryover.models.gpt2 import GPT2Model
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.hugging_face import load as open_transformers
from carryover.models.insertion import CONFIG, WEIGHTS
from carryover.models.packing import pack, pack_trees
from carryover.planning.schema import method_files
from carryover.runtime.errors import BadInput
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import train
from carryover.training.pretraining import next_token_loss
from tiny_models import build

M, R, K = 5, 3, 2  # of adapters, LoRA and the last layers
OPTIONS = {
    full: {},
    last_layers: {"blocks": K},
    lora: {"rank": R, "alpha": 6, "dropout": 0.0, "targets": None},
    adapters: {"bottleneck": M},
    ia3: {"targets": None, "feed_forward": None},
    int8: {},
    pruned: {"sparsity": 0.5},
}
MODELS = ["ours", "gpt2", "llama", "gpt_neox", "bloom"]
BESIDE = [lora, adapters, ia3, int8]  # whose files need the model that they were trained from
AFTERWARDS = [int8, pruned]  # that change the model once it is trained, when it is saved
CASES = [(method, name) for method in OPTIONS for name in MODELS]
GROUPS = [[np.array([row, 3, 5, 7, 9 + row, other]) for other in range(50, 53)] for row in range(14)]
LINES = [np.arange(row, row + 9) for row in range(12)]


def named(case) -> str:
    return getattr(case, "__name__", str(case)).rsplit(".", 1)[-1]


@pytest.fixture
def make(make_model):
    """A factory: a model behind the seam."""

    def one(name: str):
        return make_model(n_layer=3, n_positions=64) if name == "ours" else HuggingFaceModel(build(name, std=0.15))

    return one


def trained_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def moved(model, seed: int = 0) -> None:
    """Everything that trains, away from where it begins."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


@torch.no_grad()
def answers(model) -> torch.Tensor:
    trees = pack_trees(GROUPS)
    return model.hidden_state_to_token(model.forward_ends(trees))


def tuned(model, recipe, checkpoints=None):
    def loss_of(rows: np.ndarray) -> torch.Tensor:
        return next_token_loss(model, [LINES[row] for row in rows])

    return train(model, len(LINES), loss_of, dict, recipe, 0, checkpoints or Checkpoints(None))


def weights_of(method, model) -> int:
    """How many weights train, in closed form from the sizes of the model."""
    shapes = {name: tuple(layer.get_parameter("weight").shape) for name, layer in model.linears().items()}
    d, f, layers = model.facts.width, model.facts.feed_forward, model.facts.layers
    if method in (full, *AFTERWARDS):
        return model.facts.parameters
    if method is lora:
        return sum(R * (rows + columns) for rows, columns in shapes.values())
    if method is adapters:
        return layers * 2 * (2 * d * M + M + d)
    if method is ia3:
        keys_values = 2 * model.facts.kv_heads * model.facts.head_width
        return layers * ((keys_values if model.facts.architecture == "llama" else 3 * d) + f)
    block = sum(parameter.numel() for parameter in model.blocks[-1].parameters())
    return K * block + (d if model.facts.architecture == "llama" else 2 * d)  # the norm, with or without a bias


@pytest.mark.parametrize(("method", "name"), CASES, ids=named)
def test_a_method_trains_what_it_says_and_no_bit_beside(make, make_recipe, method, name):
    model = make(name)
    before = answers(model)
    torch.manual_seed(0)
    method.apply(model, OPTIONS[method])
    torch.testing.assert_close(answers(model), before, atol=1e-5, rtol=1e-5)  # it begins as the model was
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == weights_of(method, model)
    state = copy.deepcopy(model.state_dict())
    tuned(model.train(), make_recipe(lr=1e-2, epochs=3))
    changed = {label for label, tensor in model.state_dict().items() if not torch.equal(tensor, state[label])}
    assert trained_names(model) <= changed
    tied = {label for label in state if label in ("model.lm_head.weight", "model.embed_out.weight")}  # the embedding, once more
    assert changed - tied <= trained_names(model)
    assert next_token_loss(model.eval(), LINES).item() < next_token_loss(make(name).eval(), LINES).item()


@pytest.mark.parametrize(("method", "name"), CASES, ids=named)
def test_saved_read_again_and_merged_is_the_same(make, tmp_path, method, name):
    model = make(name)
    torch.manual_seed(0)
    method.apply(model, OPTIONS[method])
    moved(model)
    trained = answers(model.eval())
    method.save(model, tmp_path)
    expected = answers(model)
    assert torch.equal(expected, trained) != (method in AFTERWARDS)
    assert {path.name for path in tmp_path.iterdir()} == set(method_files(named(method))) - {
        "tokenizer.json",
        "tokenizer_config.json",
    }
    if method in BESIDE:
        again = make(name)
        torch.manual_seed(1)
        method.load(again, tmp_path)
    else:
        again = GPT2Model.from_pretrained(tmp_path) if name == "ours" else open_transformers(tmp_path)
        method.load(again, tmp_path)
    assert torch.equal(answers(again.eval()), expected)
    if method is adapters:
        with pytest.raises(BadInput, match="not linear and cannot be merged"):
            method.merge(model)
    else:
        method.merge(model)
        assert not any("ia3" in label or "lora" in label for label, _ in model.named_parameters())
        torch.testing.assert_close(answers(model), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("method", "name"), CASES, ids=named)
def test_packed_trees_and_a_cache_give_what_each_sequence_alone_does(make, method, name):
    model = make(name).eval()
    method.apply(model, OPTIONS[method])
    moved(model)
    rows = [row for group in GROUPS for row in group]
    with torch.no_grad():
        alone = torch.cat([model.forward_packed(pack([row]))[-1:] for row in rows])
        ids = torch.from_numpy(np.stack(rows))
        cache = model.empty_cache(len(rows), 6)
        for columns in (slice(0, 4), slice(4, 6)):
            read = model.read(cache, ids[:, columns], torch.ones_like(ids[:, columns], dtype=torch.bool))
        for found in (model.forward_ends(pack_trees(GROUPS)), model.forward_ends(pack(rows)), read):
            torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", OPTIONS, ids=named)
def test_a_resumed_run_has_the_same_bits(make, make_recipe, tmp_path, monkeypatch, method):
    def begun():
        model = make("ours")
        torch.manual_seed(0)
        method.apply(model, OPTIONS[method])
        return model

    whole = begun()
    tuned(whole, make_recipe(epochs=4))
    half = begun()
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    steps = iter(range(4))

    def broken(self, update, state):
        saved(self, update, state)
        if next(steps) == 3:
            raise KeyboardInterrupt

    saved = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        tuned(half, make_recipe(epochs=4), Checkpoints(tmp_path))
    monkeypatch.setattr(Checkpoints, "save", saved)
    again = begun()
    tuned(again, make_recipe(epochs=4), Checkpoints(tmp_path))
    assert all(torch.equal(tensor, again.state_dict()[label]) for label, tensor in whole.state_dict().items())


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "bloom"])
def test_ia3_is_pefts_both_ways(make, tmp_path, name):
    def alone(twin) -> torch.Tensor:
        with torch.no_grad():
            return torch.stack([twin(torch.from_numpy(row)[None]).logits[0, -1] for group in GROUPS for row in group])

    model = make(name).eval()
    ia3.apply(model, OPTIONS[ia3])
    moved(model)
    ia3.save(model, tmp_path / "ours")
    opened = peft.PeftModel.from_pretrained(build(name, std=0.15), tmp_path / "ours").eval()
    torch.testing.assert_close(alone(opened), answers(model), atol=1e-5, rtol=1e-5)
    theirs = peft.get_peft_model(build(name, std=0.15), peft.IA3Config(task_type="CAUSAL_LM", fan_in_fan_out=name == "gpt2"))
    moved(theirs, seed=1)
    theirs.save_pretrained(tmp_path / "theirs")
    other = make(name).eval()
    ia3.load(other, tmp_path / "theirs")
    torch.testing.assert_close(answers(other), alone(theirs.eval()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ia3.ATTENTION)
def test_what_ia3_rescales_without_a_choice_is_pefts(name):
    targets = TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING[name]
    assert [*ia3.ATTENTION[name], *ia3.FEED_FORWARD[name]] == targets
    assert list(ia3.FEED_FORWARD[name]) == TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING[name]


def test_adapters_compute_what_is_stated(make):
    """The formula of the module, of one layer, by hand."""
    model = make("ours").eval()
    adapters.apply(model, OPTIONS[adapters])
    moved(model)
    layer = model.linears()["transformer.h.1.mlp.c_proj"]
    weights = dict(layer.adapter.named_parameters())
    inner = torch.randn(4, layer.in_features)
    with torch.no_grad():
        y = inner @ layer.weight.T + layer.bias
        z = y @ weights["down.weight"].T + weights["down.bias"]
        gelu = z * (1 + torch.erf(z / 2**0.5)) / 2
        torch.testing.assert_close(layer(inner), y + gelu @ weights["up.weight"].T + weights["up.bias"])


@pytest.mark.parametrize("method", AFTERWARDS, ids=named)
@pytest.mark.parametrize("name", ["ours", "llama"])
def test_what_is_compressed_was_trained_as_all_weights_are(make, make_recipe, method, name):
    models = [make(name), make(name)]
    for model, trained_by in zip(models, (full, method), strict=True):
        trained_by.apply(model, OPTIONS[trained_by])
        tuned(model, make_recipe(epochs=2))
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(tensor, second[label]) for label, tensor in first.items())


def test_int8_rounds_as_pytorchs_quantised_tensors_do():
    weight = torch.randn(7, 33, generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    whole, scale = int8.rounded(weight)
    theirs = torch.quantize_per_channel(weight, scale.clamp_min(1e-9), torch.zeros(7, dtype=torch.int64), 0, torch.qint8)
    assert torch.equal(whole, theirs.int_repr())
    assert (weight - whole * scale[:, None]).abs().le(scale[:, None] / 2 + 1e-7).all()


@pytest.mark.parametrize("name", ["ours", "gpt2", "llama"])
def test_int8_leaves_all_but_the_linear_layers_and_takes_a_quarter_of_their_bytes(make, tmp_path, name):
    model = make(name)
    before = {label: tensor.clone() for label, tensor in model.state_dict().items()}
    int8.apply(model, {})
    int8.save(model, tmp_path)
    linear = {id(layer.get_parameter("weight")) for layer in model.linears().values()}
    for label, parameter in model.named_parameters():
        assert torch.equal(parameter, before[label]) == (id(parameter) not in linear), label
    stored = load_file(tmp_path / WEIGHTS)
    assert sum(t.numel() for t in stored.values() if t.dtype == torch.int8) == sum(
        layer.get_parameter("weight").numel() for layer in model.linears().values()
    )


def test_an_int8_file_of_another_model_is_refused(make, make_model, tmp_path):
    model = make("ours")
    int8.apply(model, {})
    int8.save(model, tmp_path)
    with pytest.raises(BadInput, match="is in no layer of this gpt2"):
        int8.load(make_model(n_layer=2, n_positions=64), tmp_path)
    with pytest.raises(BadInput, match=r"int8 has shape None, the model asks for"):
        int8.load(make_model(n_layer=4, n_positions=64), tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"abc")
    with pytest.raises(BadInput, match="not a readable safetensors file"):
        int8.load(make("ours"), tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_pruning_takes_the_smallest_of_each_layer(make, share):
    weight = torch.randn(16, 25, generator=torch.Generator().manual_seed(0))
    kept = weight.clone()
    pruned.prune_(kept, share)
    gone = kept == 0
    assert gone.sum() == round(share * 400)
    assert weight[gone].abs().max() < weight[~gone].abs().min() and torch.equal(kept[~gone], weight[~gone])


def changed(**changes):
    def spoil(directory):
        path = directory / CONFIG
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def retensored(change):
    def spoil(directory):
        save_file(change(load_file(directory / WEIGHTS)), directory / WEIGHTS)

    return spoil


REFUSED = {
    "another kind": (changed(peft_type="LORA"), "is of the kind LORA; asked for is"),
    "no config": (lambda directory: (directory / CONFIG).write_text("[]"), "not a config of an adapter"),
    "no modules": (changed(target_modules=None), "not a config of"),
    "another model's layers": (changed(target_modules=["fc9"], feedforward_modules=[]), "no layer of this gpt2 ends in 'fc9'"),
    "cut weights": (lambda directory: (directory / WEIGHTS).write_bytes(b"abc"), "not a readable safetensors file"),
    "another base": (retensored(lambda t: {k: v[..., :1].contiguous() for k, v in t.items()}), "the model asks for"),
    "a tensor too many": (retensored(lambda t: t | {"base_model.model.h.9": torch.ones(1)}), "trained on another model"),
    "half of it": (retensored(lambda t: dict(list(t.items())[:1])), "has shape None"),
}


@pytest.mark.parametrize("method", [adapters, ia3], ids=named)
@pytest.mark.parametrize("case", REFUSED)
def test_refused_adapters_are_one_line(make, tmp_path, method, case):
    model = make("ours")
    method.apply(model, OPTIONS[method])
    method.save(model, tmp_path)
    spoil, words = REFUSED[case]
    spoil(tmp_path)
    with pytest.raises(BadInput, match=words) as caught:
        method.load(make("ours"), tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_adapter_of_another_model_is_refused(make, make_model, tmp_path):
    for method in (adapters, ia3):
        model = make("ours")
        method.apply(model, OPTIONS[method])
        method.save(model, tmp_path)
        with pytest.raises(BadInput, match=r"is in no layer of this gpt2; it was trained on another|no layer of this gpt2 ends"):
            method.load(make_model(n_layer=2, n_positions=64), tmp_path)


def test_what_the_model_does_not_have_is_refused(make):
    with pytest.raises(BadInput, match=r"ia3\.targets: no layer of this gpt2 ends in 'q_proj'; there are c_attn, c_fc, c_proj"):
        ia3.apply(make("ours"), {"targets": ["q_proj"], "feed_forward": None})
    with pytest.raises(BadInput, match=r"ia3.targets: .*c_proj is among the feed-forward layers too"):
        ia3.apply(make("ours"), {"targets": ["c_proj"], "feed_forward": None})
    with pytest.raises(BadInput, match=r"last_layers\.blocks: 4, and this gpt2 has 3"):
        last_layers.apply(make("ours"), {"blocks": 4})
