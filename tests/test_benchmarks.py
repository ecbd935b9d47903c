"""The benchmark at tiny shapes: that it measures what it says, says what was missed, and does not rot."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from benchmarks import cpu, data, gpu, hugging_face, ours, plain, smollm2
from benchmarks.data import Source
from benchmarks.timing import Check, Stopwatch, medians, verdict

from carryover.answers.choice import score
from carryover.data import tokenizer
from carryover.models.gpt2 import GPT2Config

TINY = cpu.Size(
    model=GPT2Config(vocab_size=300, n_positions=128, n_embd=32, n_layer=2, n_head=2, n_inner=48),
    premises=4,
    rounds=1,
    steps={4: 3, 32: 2},
    pretraining_steps=3,
    equal_steps=4,
    growing=(60, 120),
    smollm2=smollm2.Size(
        shape=smollm2.SHAPE
        | {"vocab_size": 200, "hidden_size": 36, "intermediate_size": 56, "num_hidden_layers": 2, "max_position_embeddings": 64},
        premises=4,
        rounds=1,
        steps=3,
        equal_steps=3,
    ),
)


@pytest.fixture
def source(tmp_path, make_prompts) -> Source:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"The river was frozen, and the {word} waited.\n" for word in "abcdefghijklmnopqrstuvwxyz"))
    made = tokenizer.train_bpe(text, 280)
    return Source("made up", make_prompts(60, vocabulary=200), make_prompts(20, vocabulary=200), made, text, tmp_path)


def test_everything_is_measured_and_equal(source, tmp_path, capsys):
    checks = cpu.measure(TINY, [source], tmp_path)
    assert capsys.readouterr().out.splitlines() == [check.line() for check in checks]
    assert all(np.isfinite(check.value) and check.value >= 0 for check in checks)
    bounded = {check.name: check for check in checks if check.floor or check.most}
    assert len([name for name in bounded if "over ours" in name]) == 12  # the floors of the table
    assert [check.value for check in checks if "texts that are the same" in check.name] == [1.0, 1.0]
    for name, check in bounded.items():
        if "difference" in name:
            assert check.met, check.line()


def test_the_plain_model_is_ours(make_model, make_prompts):
    model, prompts = make_model(), make_prompts(8)
    difference = np.abs(score(model, prompts, "fp32").logp - plain.label_logp(plain.PlainGPT2(model), prompts))
    assert difference.max() < 1e-5


def test_hugging_face_answers_as_we_do(make_model, make_prompts):
    model, prompts = make_model(), make_prompts(12)
    assert np.array_equal(hugging_face.evaluate(hugging_face.twin(model), prompts), score(model, prompts, "fp32").greedy)


def test_the_embedded_corpus_is_read_as_its_jobs_read_it(tmp_path, monkeypatch):
    monkeypatch.delenv(data.MIRROR, raising=False)
    (source,) = data.sources(tmp_path)
    assert (len(source.test), len(np.unique(source.test.clusters))) == (906, 302)
    assert len(source.train) == 10_530 and set(source.test.targets) == {0, 1, 2}


def test_prompts_of_a_larger_vocabulary_keep_their_shape(make_prompts):
    prompts = make_prompts(6, vocabulary=90)
    cut = smollm2.within(prompts, 50)
    assert cut.ids.max() == cut.candidates.max() == 49 and np.array_equal(cut.lengths, prompts.lengths)


def test_all_train_on_the_same_batches(make_model, make_prompts, make_recipe):
    prompts, recipe = make_prompts(20), make_recipe()
    chosen, losses = ours.batches(len(prompts), recipe, 5), {}
    for name in ("ours", "plain", "Hugging Face"):
        model, watch = make_model(), Stopwatch()
        if name == "ours":
            ours.finetune(model, prompts, recipe, 5, watch)
        elif name == "plain":
            plain.finetune(plain.PlainGPT2(model), prompts, chosen, recipe, watch)
        else:
            hugging_face.finetune(hugging_face.twin(model), prompts, chosen, recipe, watch)
        losses[name] = watch.losses
    assert losses["ours"] == pytest.approx(losses["plain"], abs=1e-5)
    assert losses["ours"][0] == pytest.approx(losses["Hugging Face"][0], abs=1e-5)
    # From then on its epsilon stands after the bias correction.
    assert losses["ours"] == pytest.approx(losses["Hugging Face"], abs=0.05)


def test_a_missed_floor_is_named():
    met, missed = Check("fast enough", 2.0, "x", floor=1.5, goal=3.0), Check("too slow", 1.0, "x", floor=1.5)
    assert verdict([met]) == ("every floor is met", 0)
    line, status = verdict([met, missed, Check("too large", 2.0, "MiB", most=1.0), Check("only shown", 0.0, "ms")])
    assert status == 1 and line == "floors missed: too slow; too large"
    assert re.search(r"short.* ok$", met.line()) and missed.line().endswith("MISSED")


def test_contestants_take_turns():
    turns = []
    contestants = {name: lambda name=name: turns.append(name) or [float(len(turns))] for name in ("one", "other")}
    assert medians(contestants, 3) == {"one": 3.0, "other": 4.0}
    assert turns == ["one", "other"] * 3


def test_repeated_rows_share_no_premise_with_their_copies(make_prompts):
    prompts = make_prompts(7)
    more = data.repeated(prompts, 2 * len(prompts) + 3)
    assert len(more) == 2 * len(prompts) + 3
    assert len(np.unique(more.clusters[: 2 * len(prompts)])) == 14
    assert np.array_equal(more.sequence(len(prompts) + 2), prompts.sequence(2))


def test_random_weights_are_the_same_each_time():
    one, other = cpu.model_of(TINY.model, 0.1), cpu.model_of(dataclasses.replace(TINY.model), 0.0)
    assert torch.equal(one.token_embedding.weight, other.token_embedding.weight)


def test_flops_by_formula_are_those_of_the_methods():
    """Training one example of 53 tokens costs about 25 GFLOP: the sum of its matrix products, three times a forward pass."""
    flops = 3 * gpu.forward_flops(GPT2Config(), np.array([53]), 1)
    assert flops == pytest.approx(25e9, rel=0.03)
    two = 3 * gpu.forward_flops(GPT2Config(), np.array([53, 53]), 2)
    assert two == pytest.approx(2 * flops)


def test_what_a_gpu_measures_of_smollm2_runs_here_too(source, monkeypatch):
    """On the processor, in emulated bf16: that the calls fit together."""
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda module: module)
    monkeypatch.setitem(hugging_face.BATCH, "cuda", 8)
    checks = smollm2.on_gpu(source, TINY.smollm2)
    names = [check.name.rsplit(": ", 1)[1] for check in checks]
    assert names == ["ours", "sorted padded batches, over ours", "ours", "padded loop, over ours"]
    assert all(check.value > 0 and check.floor is None for check in checks)


def test_gpu_benchmark_says_when_there_is_none(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "choose_device", lambda gpus, threads: torch.device("cpu"))
    assert gpu.main() == 1
    assert capsys.readouterr().out == "no CUDA device is visible: nothing was measured\n"
