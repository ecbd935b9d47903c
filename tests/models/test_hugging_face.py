"""Models of transformers behind the seam: packed or padded, each sequence gets what it has alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from carryover.answers.choice import score
from carryover.evaluation import parity
from carryover.evaluation.generation import Sampling, generate
from carryover.models import hugging_face
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack, pack_trees
from carryover.runtime.errors import BadInput
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import train
from carryover.training.pretraining import next_token_loss
from tiny_models import CONFIGS, build

GROUPS = {
    "one alone": [["abcde"]],
    "one token": [["a"]],
    "three of a premise": [["abcdxy", "abcdz", "abcduvw"]],
    "one the beginning of another": [["abcd", "abcdef", "ab"]],
    "groups of unequal size and length": [["abcdxy", "abcdz"], ["q"], ["mnopqrstuvwxyz", "mnop", "mx", "m"], ["hello", "help"]],
    "a beginning that all groups share": [["tabc", "tabd"], ["tx"], ["tay", "t"]],
}
LINES = [np.array([ord(letter) - ord("a") for letter in text]) for text in ("abcdxy", "hello", "qr", "abcuvwxyzabc")]


def sequences(group: list[str]) -> list[np.ndarray]:
    return [np.array([ord(letter) - ord("a") for letter in text], dtype=np.int32) for text in group]


def alone(model, sequence: np.ndarray) -> torch.Tensor:
    """Hidden states of one sequence by a twin with transformers' own attention."""
    return model.base_model(torch.from_numpy(sequence.astype(np.int64))[None]).last_hidden_state[0]


@pytest.fixture(params=CONFIGS)
def pair(request) -> tuple[HuggingFaceModel, torch.nn.Module]:
    """A model behind the seam, and one of the same weights that nobody touched."""
    return HuggingFaceModel(build(request.param)), build(request.param)


def test_all_but_bloom_run_without_padding():
    assert {name for name in CONFIGS if not HuggingFaceModel(build(name)).packs} == {"bloom"}


@pytest.mark.parametrize("name", GROUPS)
def test_trees_give_the_states_of_each_sequence_alone(pair, name):
    model, twin = pair
    groups = [sequences(group) for group in GROUPS[name]]
    batch = pack_trees(groups)
    with torch.no_grad():
        expected = torch.stack([alone(twin, sequence)[-1] for group in groups for sequence in group])
        torch.testing.assert_close(model.forward_ends(batch), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(model.forward_packed(batch)[batch.ends], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", GROUPS)
def test_rows_give_the_states_of_each_sequence_alone(pair, name):
    model, twin = pair
    rows = [sequence for group in GROUPS[name] for sequence in sequences(group)]
    with torch.no_grad():
        expected = [alone(twin, sequence) for sequence in rows]
        torch.testing.assert_close(model.forward_packed(pack(rows)), torch.cat(expected), atol=1e-5, rtol=0)
        ends = torch.stack([states[-1] for states in expected])
        torch.testing.assert_close(model.forward_ends(pack(rows)), ends, atol=1e-5, rtol=0)


def test_log_probabilities_are_those_of_each_prompt_alone(pair, make_prompts):
    model, twin = pair
    data = make_prompts(20)
    found = score(model, data, "fp32")
    with torch.no_grad():
        logits = [twin(torch.from_numpy(data.sequence(row).astype(np.int64))[None]).logits[0, -1] for row in range(len(data))]
    logp = torch.stack(logits).log_softmax(dim=1)
    np.testing.assert_allclose(found.logp, logp[:, data.candidates].numpy(), atol=1e-5, rtol=0)
    assert np.array_equal(found.greedy, logp.argmax(dim=1).numpy())


def compared_gradients(model: HuggingFaceModel, twin: torch.nn.Module) -> None:
    """Every parameter has the gradient of its twin."""
    theirs = dict(twin.named_parameters())
    assert len(theirs) == len(list(model.model.named_parameters()))
    for name, parameter in model.model.named_parameters():
        # A bias of the keys moves all scores of a query alike: both gradients are rounding.
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=2e-5, rtol=1e-4, msg=name)


def test_answer_loss_and_its_gradients_are_those_of_each_sequence_alone(pair):
    model, twin = pair
    targets = torch.tensor([5, 80, 5, 33])
    loss = model.answer_loss(pack([line.astype(np.int32) for line in LINES]), targets)
    logits = torch.stack([twin(torch.from_numpy(line)[None]).logits[0, -1] for line in LINES])
    expected = F.cross_entropy(logits, targets)
    assert abs(loss.item() - expected.item()) < 1e-5 and loss > 1
    loss.backward()
    expected.backward()
    compared_gradients(model, twin)


def test_next_token_loss_and_its_gradients_are_those_of_each_line_alone(pair):
    model, twin = pair
    loss = next_token_loss(model, LINES)
    logits = torch.cat([twin(torch.from_numpy(line)[None]).logits[0, :-1] for line in LINES])
    expected = F.cross_entropy(logits, torch.from_numpy(np.concatenate([line[1:] for line in LINES])))
    assert abs(loss.item() - expected.item()) < 1e-5 and loss > 1
    loss.backward()
    expected.backward()
    compared_gradients(model, twin)


def test_training_lowers_the_loss(pair, make_recipe):
    model, _ = pair
    recipe = make_recipe(lr=3e-3, batch_size=2, epochs=8)
    before = next_token_loss(model, LINES).item()
    train(
        model, len(LINES), lambda rows: next_token_loss(model, [LINES[row] for row in rows]), dict, recipe, 0, Checkpoints(None)
    )
    assert next_token_loss(model.eval(), LINES).item() < before - 0.3


PROMPTS = [[3, 4, 5, 6], [7], [11, 2, 60], [9, 9, 9, 9, 9, 9, 1]]


def test_continuations_are_those_of_transformers(pair):
    model, twin = pair
    ends = list(model.facts.end_tokens)
    found = generate(model, PROMPTS, 12)
    for prompt, (tokens, stopped) in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([prompt])
        options = {"do_sample": False, "max_new_tokens": 12, "eos_token_id": ends, "pad_token_id": 0}
        expected = twin.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :].tolist()
        assert tokens == (expected[:-1] if expected[-1] in ends else expected)
        assert (stopped == "end of text") == (expected[-1] in ends)


def test_text_does_not_depend_on_the_batch(pair):
    model, _ = pair
    sampling = Sampling(1.5, 20, 0.9)
    together = generate(model, PROMPTS, 10, sampling, 3)
    assert together == [generate(model, [prompt], 10, sampling, 3)[0] for prompt in PROMPTS]


def test_saved_model_is_read_again_by_us_and_by_transformers(pair, tmp_path):
    model, twin = pair
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert hugging_face.PACKED not in (tmp_path / "config.json").read_text()
    again = hugging_face.load(tmp_path)
    assert again.training and again.facts == model.facts and again.packs == model.packs
    theirs = dict(twin.named_parameters())
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in again.model.named_parameters())
    assert parity.compare(again, tmp_path, 1e-5, seed=0)["passed"]
    with torch.no_grad():
        next(iter(again.linears().values())).weight[0] += 0.1
    with pytest.raises(BadInput, match="differs from transformers"):
        parity.compare(again, tmp_path, 1e-5, seed=0)


def test_half_precision_is_read_as_fp32(tmp_path):
    build("llama").half().save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in hugging_face.load(tmp_path).parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "gpt_neox"])
def test_recipe_sets_every_rate_of_dropout(name, tmp_path):
    build(name).save_pretrained(tmp_path)
    batch = pack(sequences(["abcdefgh", "xyz"]))
    still, dropped = hugging_face.load(tmp_path, dropout=0.0), hugging_face.load(tmp_path, dropout=0.5)
    assert torch.equal(still.forward_packed(batch), still.forward_packed(batch))
    assert not torch.allclose(dropped.forward_packed(batch), dropped.forward_packed(batch), atol=1e-2)
    torch.testing.assert_close(dropped.eval().forward_packed(batch), still.forward_packed(batch))


def in_config(**changes):
    def spoil(directory: Path) -> Path:
        path = directory / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return path

    return spoil


def without(name: str):
    def spoil(directory: Path) -> Path:
        (directory / name).unlink()
        return directory

    return spoil


def cut(directory: Path) -> Path:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    return directory


def another_shape(directory: Path) -> Path:
    in_config(num_hidden_layers=4)(directory)
    return directory


REFUSED = {
    "an architecture that nobody tried": (in_config(model_type="opt"), "model_type is 'opt'; known are"),
    "code of its own": (in_config(auto_map={"AutoModelForCausalLM": "model.Own"}), "auto_map is set"),
    "quantised weights": (in_config(quantization_config={"bits": 4}), "quantization_config is set"),
    "a soft cap": (in_config(attn_logit_softcapping=50.0), "attn_logit_softcapping is set"),
    "a window shorter than the context": (in_config(sliding_window=8), "sliding_window 8 is shorter than the context 64"),
    "more layers than stored": (another_shape, "no tensor .*drawn at random"),
    "no weights": (without("model.safetensors"), "no safetensors"),
    "no config": (without("config.json"), "no config.json"),
    "a truncated file": (cut, "transformers cannot load it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_directory_is_named(tmp_path, case):
    build("llama").save_pretrained(tmp_path)
    spoil, words = REFUSED[case]
    path = spoil(tmp_path)
    with pytest.raises(BadInput, match=f"{path}.*{words}") as caught:
        hugging_face.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"sliding_window": 64}, {"sliding_window": 8, "use_sliding_window": False}])
def test_a_window_that_never_bites_is_read(tmp_path, changes):
    build("qwen2").save_pretrained(tmp_path)
    in_config(**changes)(tmp_path)
    assert hugging_face.load(tmp_path).packs
