"""Likelihood against a plain loop with transformers: every type of model, windows, special tokens, bytes, and the metrics."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, processors

from carryover.data import tokenizer
from carryover.evaluation.likelihood import Window, beginning_of_text, likelihood, token_nats, windows
from carryover.metrics import bits_per_byte, bits_per_sentence, bootstrap, perplexity
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.interface import LanguageModel
from carryover.planning.facts import facts_of
from carryover.runtime.errors import BadInput
from tiny_models import CONFIGS, build

SENTENCES = [np.array([96, *row]) for row in ([5, 3, 9], [1], [40, 41, 2, 2, 7, 8, 90], [3] * 30, [])]
TEXTS = ["The river was frozen.", "Der Fluß", "", "河", "a<|endoftext|>b", "The children waited, and the river was frozen."]


def plainly(theirs: torch.nn.Module, sequence: list[int], context: int, stride: int) -> list[float]:
    """One sequence alone, window after window, each token predicted by the first window that has it."""
    nats, start = [0.0], 0
    while len(nats) < len(sequence):
        read = sequence[start : start + context]
        with torch.no_grad():
            logp = theirs(torch.tensor([read])).logits[0].log_softmax(dim=1)
        for place, token in enumerate(sequence[start + 1 : start + context + 1], start=start + 1):
            if place >= len(nats):
                nats.append(-logp[place - 1 - start, token].item())
        start += stride
    return nats


@pytest.fixture(params=[*CONFIGS, "ours"])
def pair(request, make_model, twin) -> tuple[LanguageModel, torch.nn.Module]:
    """A model behind the seam, and one of transformers with the same weights that nobody touched."""
    if request.param == "ours":
        model = make_model()
        return model, twin(model)
    return HuggingFaceModel(build(request.param)), build(request.param)


def test_nats_are_those_of_each_sequence_alone(pair):
    model, theirs = pair
    found = token_nats(model, SENTENCES)
    assert [len(nats) for nats in found] == [len(sequence) for sequence in SENTENCES]
    for nats, sequence in zip(found, SENTENCES, strict=True):
        np.testing.assert_allclose(nats, plainly(theirs, sequence.tolist(), 64, 64), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("stride", [None, 1, 7, 16])
def test_a_text_longer_than_the_context_is_read_in_windows(pair, stride):
    model, theirs = pair
    model.facts = dataclasses.replace(model.facts, context=16)
    long = np.random.default_rng(0).integers(0, 90, 45)
    for sequence in (long, long[:16], long[:17], long[:18]):
        (found,) = token_nats(model, [sequence], stride=stride)
        np.testing.assert_allclose(found, plainly(theirs, sequence.tolist(), 16, stride or 8), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("length", range(0, 40))
@pytest.mark.parametrize(("context", "stride"), [(None, None), (8, 8), (8, 3), (8, 1), (1, None)])
def test_every_token_but_the_first_is_predicted_once(length, context, stride):
    found = list(windows(length, context, stride))
    assert [place for window in found for place in range(window.first, window.stop)] == list(range(1, length))
    assert all(window.start < window.first and window.stop - 1 - window.start <= (context or length) for window in found)
    assert all(later.start - window.start == (stride or max(1, (context or length) // 2)) for window, later in pairwise(found))


def test_windows_by_hand():
    assert list(windows(6, 4, 2)) == [Window(0, 1, 5), Window(2, 5, 6)]
    assert list(windows(5, 4, 2)) == [Window(0, 1, 5)]
    for stride in (0, 5, -1):
        with pytest.raises(BadInput, match="no token is left out"):
            list(windows(10, 4, stride))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Tokenizer:
    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text("The river was frozen, and the children waited.\n" * 30)
    return tokenizer.train_bpe(text, 290)


@pytest.fixture
def model(make_model, made) -> LanguageModel:
    return make_model(vocab_size=made.get_vocab_size(), eos_token_id=None)


def test_special_tokens_count_neither_nats_nor_bytes(model, made, twin):
    """What begins a text is read and not predicted; an end of text that stands in it is read and not counted."""
    found, theirs = likelihood(model, made, TEXTS), twin(model)
    end = tokenizer.end_of_text(made)
    assert found.bytes.tolist() == [21, 9, 0, 3, 2, 46]
    for place, text in enumerate(TEXTS):
        ids = made.encode(text).ids
        nats = plainly(theirs, [end, *ids], 48, 24)[1:]
        counted = [value for value, token in zip(nats, ids, strict=True) if token != end]
        assert found.tokens[place] == len(counted)
        assert found.nats[place] == pytest.approx(sum(counted), abs=1e-4)
    assert (found.nats[2], found.tokens[2]) == (0, 0)


def test_bytes_are_those_of_tokens_that_are_not_special(model, made):
    """Where nothing is special, the tokens' own bytes are the text's."""
    found = likelihood(model, made, TEXTS[:4])
    for count, size, text in zip(found.tokens, found.bytes, TEXTS, strict=False):
        assert count == len(made.encode(text).ids) and size == len(text.encode())
    other = Tokenizer.from_str(made.to_str())
    other.add_tokens([AddedToken("river", special=False)])
    wider = likelihood_of_wider(model, other)
    assert wider.bytes[0] == len(TEXTS[0].encode()) and wider.tokens[0] == len(other.encode(TEXTS[0]).ids)


def likelihood_of_wider(model: LanguageModel, made: Tokenizer):
    model.token_embedding = torch.nn.Embedding(made.get_vocab_size(), model.facts.width)  # an entry more
    return likelihood(model, made, TEXTS[:1])


def test_what_begins_a_text(made):
    facts = facts_of({"model_type": "gpt2", "eos_token_id": 7})
    assert beginning_of_text(made, facts) == [tokenizer.end_of_text(made)]
    own = Tokenizer.from_str(made.to_str())
    own.add_special_tokens(["<s>"])
    own.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", own.token_to_id("<s>"))])
    assert beginning_of_text(own, facts) == [own.token_to_id("<s>")]
    bare = Tokenizer.from_str(made.to_str().replace(tokenizer.END_OF_TEXT, "<eot>"))
    assert beginning_of_text(bare, facts) == [7]
    with pytest.raises(BadInput, match="nothing begins a text"):
        beginning_of_text(bare, facts_of({"model_type": "gpt2", "eos_token_id": None}))


def test_the_batch_changes_nothing(model, made):
    together = likelihood(model, made, TEXTS)
    for place, text in enumerate(TEXTS):
        assert likelihood(model, made, [text]).nats[0] == pytest.approx(together.nats[place], abs=1e-4)
    assert len(likelihood(model, made, []).nats) == 0


def test_rows_are_those_that_metrics_and_their_intervals_take(model, made, twin):
    """Perplexity and bits per byte of all texts are those of one loop over all tokens; intervals resample texts."""
    texts = [text for text in TEXTS * 5 if text and "<|" not in text]
    found, theirs = likelihood(model, made, texts), twin(model)
    rows = pd.DataFrame({"nats": found.nats, "tokens": found.tokens, "bytes": found.bytes})
    nats = [
        value for text in texts for value in plainly(theirs, [tokenizer.end_of_text(made), *made.encode(text).ids], 48, 24)[1:]
    ]
    size = sum(len(text.encode()) for text in texts)
    expected = {perplexity: np.exp(np.mean(nats)), bits_per_byte: sum(nats) / np.log(2) / size}
    expected[bits_per_sentence] = sum(nats) / np.log(2) / len(texts)
    settings = bootstrap.Settings(0.95, 500, 0)
    for metric, value in expected.items():
        sums = metric.sums(rows)
        assert metric.value(sums.sum(axis=0)) == pytest.approx(value, rel=1e-5)
        by_cluster = bootstrap.cluster_sums(sums.T, np.arange(len(rows)) % 10).T[None]
        low, high = bootstrap.interval(bootstrap.resampled_values(by_cluster, metric.value, settings), 0.95)
        assert low < value < high


def test_half_precision_is_near(model, made):
    exact, near = likelihood(model, made, TEXTS), likelihood(model, made, TEXTS, precision="bf16")
    assert not np.array_equal(exact.nats, near.nats)
    np.testing.assert_allclose(near.nats, exact.nats, rtol=0.05, atol=0.5)
