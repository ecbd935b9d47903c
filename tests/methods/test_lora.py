"""LoRA: what is put in is never gone round, trains alone, and is peft's, as peft itself says."""

import copy
import json

import numpy as np
import peft
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from carryover.evaluation.generation import generate
from carryover.methods import full, lora, none
from carryover.models.gpt2 import GPT2Model
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack, pack_trees
from carryover.runtime.errors import BadInput
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import train
from carryover.training.pretraining import next_token_loss
from tiny_models import build

# Every kind of layer of each architecture, and all of them.
TARGETS = {
    "ours": ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", None],
    "gpt2": ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", None],
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", None],
    "qwen2": ["q_proj", None],
    "gemma": ["v_proj", None],
    "gpt_neox": ["query_key_value", "attention.dense", "dense_h_to_4h", "dense_4h_to_h", None],
    "bloom": ["query_key_value", "self_attention.dense", "dense_h_to_4h", "dense_4h_to_h", None],
}
CASES = [(name, target) for name, targets in TARGETS.items() for target in targets]
OPTIONS = {"rank": 3, "alpha": 6, "dropout": 0.0, "targets": None}
# Enough tokens, and enough that are asked, for GELU to be fused with its product in every block of ours.
GROUPS = [[np.array([row, 3, 5, 7, 9 + row, other]) for other in range(50, 53)] for row in range(14)]


@pytest.fixture
def make(make_model):
    """A factory: a model behind the seam, and its twin in transformers as a fresh copy."""

    def one(name: str):
        if name != "ours":
            return HuggingFaceModel(build(name, std=0.15)), build(name, std=0.15)
        twin = build("gpt2")
        ours = make_model(n_layer=3, n_positions=64)
        return ours, from_ours(ours, twin)

    return one


def from_ours(ours: GPT2Model, twin: torch.nn.Module) -> torch.nn.Module:
    """transformers' GPT-2 with our weights, put there by the names of its layers."""
    theirs = dict(twin.named_modules())
    with torch.no_grad():
        for name, layer in ours.linears().items():
            theirs[name].weight.copy_(layer.weight.T)
            theirs[name].bias.copy_(layer.bias)
        pairs = [(theirs["transformer.wte"], ours.token_embedding), (theirs["transformer.wpe"], ours.position_embedding)]
        pairs += [(theirs["transformer.ln_f"], ours.final_layer_norm)]
        for number, layer in enumerate(ours.layers):
            pairs += [(theirs[f"transformer.h.{number}.ln_1"], layer.attention_norm)]
            pairs += [(theirs[f"transformer.h.{number}.ln_2"], layer.feed_forward_norm)]
        for their, our in pairs:
            their.load_state_dict(our.state_dict())
    return twin


def randomised(model, seed: int = 0) -> None:
    """Weights in both matrices of every update: B is 0 before training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))


def logits_alone(twin) -> torch.Tensor:
    """The logits after each sequence of GROUPS, one at a time, by transformers."""
    with torch.no_grad():
        rows = [torch.from_numpy(row)[None] for group in GROUPS for row in group]
        return torch.stack([twin(ids).logits[0, -1] for ids in rows])


def every_way(model) -> dict[str, torch.Tensor]:
    """The same logits by each path that a model has."""
    rows = [row for group in GROUPS for row in group]
    trees, packed = pack_trees(GROUPS), pack(rows)
    with torch.no_grad():
        ids = torch.from_numpy(np.stack(rows))
        cache = model.empty_cache(len(rows), 6)
        for columns in (slice(0, 4), slice(4, 6)):
            read = model.read(cache, ids[:, columns], torch.ones_like(ids[:, columns], dtype=torch.bool))
        states = {
            "ends of trees": model.forward_ends(trees),
            "ends of rows": model.forward_ends(packed),
            "all of trees": model.forward_packed(trees)[trees.ends],
            "all of rows": model.forward_packed(packed)[packed.ends],
            "cached": read,
        }
        found = {way: model.hidden_state_to_token(hidden) for way, hidden in states.items()}
    with torch.enable_grad():
        found["with gradients"] = model.hidden_state_to_token(model.forward_ends(trees)).detach()
    return found


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_path_takes_every_update_and_merging_changes_nothing(make, tmp_path, name, target):
    """Against peft on transformers' model, which opens what is saved."""
    model, twin = make(name)
    before = logits_alone(twin)
    lora.apply(model, {**OPTIONS, "targets": target and [target]})
    for logits in every_way(model).values():  # B is 0
        torch.testing.assert_close(logits, before, atol=1e-5, rtol=1e-5)
    randomised(model)
    lora.save(model, tmp_path)
    expected = logits_alone(peft.PeftModel.from_pretrained(twin, tmp_path).eval())
    assert (expected - before).abs().max() > 1e-2
    for way, logits in every_way(model).items():
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5, msg=lambda text, way=way: f"{way}: {text}")
    lora.merge(model)
    assert not [label for label, _ in model.named_parameters() if "lora" in label]
    for way, logits in every_way(model).items():
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5, msg=lambda text, way=way: f"merged, {way}: {text}")


@pytest.mark.parametrize("name", ["ours", "gpt2", "llama", "bloom"])
def test_what_peft_saves_is_read(make, tmp_path, name):
    model, twin = make(name)
    targets = ["c_attn", "c_fc"] if "gpt2" in name or name == "ours" else ["q_proj", "down_proj", "query_key_value"]
    config = peft.LoraConfig(
        r=2, lora_alpha=7, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=name in ("ours", "gpt2")
    )
    theirs = peft.get_peft_model(twin, config)
    randomised(theirs)
    theirs.save_pretrained(tmp_path)
    lora.load(model, tmp_path)
    torch.testing.assert_close(every_way(model)["ends of trees"], logits_alone(theirs.eval()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["ours", "llama"])
def test_saved_and_loaded_is_the_same(make, tmp_path, name):
    model, other = make(name)[0], make(name)[0]
    lora.apply(model, OPTIONS)
    randomised(model)
    lora.save(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([lora.CONFIG, lora.WEIGHTS])
    lora.load(other, tmp_path)
    found, again = every_way(model), every_way(other)
    assert all(torch.equal(found[way], again[way]) for way in found)


@pytest.mark.parametrize("name", ["ours", "llama", "bloom"])
def test_gradients_are_pefts_and_of_the_updates_alone(make, name):
    model, twin = make(name)
    lora.apply(model, OPTIONS)
    randomised(model)
    fan = {"fan_in_fan_out": name == "ours"}
    leaves = sorted({label.rsplit(".", 1)[-1] for label in model.linears()})
    theirs = peft.get_peft_model(twin, peft.LoraConfig(r=3, lora_alpha=6, target_modules=leaves, task_type="CAUSAL_LM", **fan))
    own = {label: getattr(layer, lora.PART) for label, layer in model.linears().items()}
    parameters = dict(theirs.named_parameters())
    with torch.no_grad():
        for label, update in own.items():
            for part in ("lora_A", "lora_B"):
                parameters[f"base_model.model.{label}.{part}.default.weight"].copy_(update.get_submodule(part).weight)
    targets = torch.arange(len(GROUPS))
    rows = [group[0] for group in GROUPS]
    model.answer_loss(pack(rows), targets).backward()
    F.cross_entropy(torch.stack([theirs(torch.from_numpy(row)[None]).logits[0, -1] for row in rows]), targets).backward()
    for label, update in own.items():
        for part in ("lora_A", "lora_B"):
            expected = parameters[f"base_model.model.{label}.{part}.default.weight"].grad
            torch.testing.assert_close(update.get_submodule(part).weight.grad, expected, atol=2e-5, rtol=1e-4)
    assert all(("lora" in label) == (parameter.grad is not None) for label, parameter in model.named_parameters())


LINES = [np.arange(row, row + 9) for row in range(24)]


def tuned(model, recipe, checkpoints=None):
    def loss_of(rows: np.ndarray) -> torch.Tensor:
        return next_token_loss(model, [LINES[row] for row in rows])

    return train(model, len(LINES), loss_of, dict, recipe, 0, checkpoints or Checkpoints(None))


@pytest.mark.parametrize("name", ["ours", "llama"])
def test_training_moves_the_updates_and_not_one_bit_of_the_model(make, make_recipe, name):
    model, _ = make(name)
    lora.apply(model, {**OPTIONS, "dropout": 0.1})
    before = copy.deepcopy(model.state_dict())
    history = tuned(model, make_recipe(lr=1e-2, epochs=10))
    assert history.epochs[-1]["epoch"] == 10
    assert next_token_loss(model.eval(), LINES).item() < history.curve[0]["loss"] - 0.3
    moved = {label for label, tensor in model.state_dict().items() if not torch.equal(tensor, before[label])}
    assert moved == {label for label in before if "lora" in label}


def test_a_checkpoint_holds_what_trains_alone(make, make_recipe, tmp_path, monkeypatch):
    model, _ = make("ours")
    lora.apply(model, OPTIONS)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    tuned(model, make_recipe(epochs=2), Checkpoints(tmp_path))
    state = Checkpoints(tmp_path).load()
    assert state["model"].keys() == {label for label, _ in model.named_parameters() if "lora" in label}
    fresh, _ = make("ours")
    lora.apply(fresh, OPTIONS)
    tuned(fresh, make_recipe(epochs=2), Checkpoints(tmp_path))
    assert all(torch.equal(tensor, fresh.state_dict()[label]) for label, tensor in model.state_dict().items())


def test_dropout_is_of_what_goes_into_the_updates_in_training_alone(make):
    model, _ = make("ours")
    lora.apply(model, {**OPTIONS, "dropout": 0.5})
    randomised(model)
    batch = pack_trees(GROUPS)
    assert torch.equal(model.eval().forward_ends(batch), model.forward_ends(batch))
    assert not torch.allclose(model.train().forward_ends(batch), model.forward_ends(batch), atol=1e-2)


def test_a_model_with_updates_generates_as_peft(make, tmp_path):
    model, twin = make("ours")
    lora.apply(model, OPTIONS)
    randomised(model)
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(twin, tmp_path).eval()
    ids = torch.tensor([[4, 8, 15]])
    options = {"do_sample": False, "max_new_tokens": 10, "eos_token_id": None, "pad_token_id": 0}
    expected = theirs.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[0, 3:].tolist()
    assert generate(model, [[4, 8, 15]], 10)[0].tokens == expected[: expected.index(96)] if 96 in expected else expected


@pytest.mark.parametrize("name", ["ours", "llama"])
def test_a_model_with_updates_is_not_saved_as_if_it_had_none(make, tmp_path, name):
    model, _ = make(name)
    lora.apply(model, OPTIONS)
    with pytest.raises(ValueError, match="merged before"):
        full.save(model, tmp_path)
    lora.merge(model)
    full.save(model, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_a_target_that_no_layer_has_is_refused(make):
    model, _ = make("ours")
    with pytest.raises(BadInput, match=r"lora\.targets: no layer of this gpt2 ends in 'q_proj'; there are c_attn, c_fc, c_proj"):
        lora.apply(model, {**OPTIONS, "targets": ["c_attn", "q_proj"]})


def changed(**changes):
    def spoil(directory):
        path = directory / lora.CONFIG
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def retensored(change):
    def spoil(directory):
        path = directory / lora.WEIGHTS
        save_file(change(load_file(path)), path)

    return spoil


FIRST = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"
REFUSED = {
    "another kind of adapter": (changed(peft_type="IA3"), "peft_type IA3"),
    "biases": (changed(bias="all"), "bias all"),
    "directions and magnitudes": (changed(use_dora=True), "use_dora is not supported"),
    "another scale": (changed(use_rslora=True), "use_rslora is not supported"),
    "ranks by layer": (changed(rank_pattern={"c_fc": 2}), "rank_pattern is not supported"),
    "a base that was changed": (changed(init_lora_weights="pissa"), "init_lora_weights pissa"),
    "a config of something else": (lambda directory: (directory / lora.CONFIG).write_text("[]"), "not a config of an adapter"),
    "no weights": (lambda directory: (directory / lora.WEIGHTS).unlink(), "not a readable safetensors file"),
    "cut weights": (lambda directory: (directory / lora.WEIGHTS).write_bytes(b"abc"), "not a readable safetensors file"),
    "no tensors": (retensored(lambda tensors: {}), "nothing is no layer"),
    "another model's layer": (retensored(lambda t: {"base_model.model.q_proj.lora_A.weight": t[FIRST]}), "q_proj is no layer"),
    "another rank": (changed(r=5), "asks for"),
    "half an update": (retensored(lambda t: {name: tensor for name, tensor in t.items() if name != FIRST}), "has shape None"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_adapters(make, tmp_path, case):
    model, _ = make("ours")
    lora.apply(model, OPTIONS)
    lora.save(model, tmp_path)
    spoil, words = REFUSED[case]
    spoil(tmp_path)
    with pytest.raises(BadInput, match=words) as caught:
        lora.load(make("ours")[0], tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_full_and_none_say_what_trains(make, tmp_path, make_recipe):
    model, _ = make("ours")
    none.apply(model, {})
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(BadInput, match="nothing of this model trains"):
        tuned(model, make_recipe())
    full.apply(model, {})
    assert all(parameter.requires_grad for parameter in model.parameters())
    full.save(model, tmp_path)
    again = GPT2Model.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, model.state_dict()[label]) for label, tensor in again.state_dict().items())
