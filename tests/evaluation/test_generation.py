"""Text against transformers, token by token, alone and in batches; where it stops; and what is drawn, against brute force."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch

from carryover.evaluation.generation import Continuation, Sampling, draw, generate, probabilities
from carryover.models.gpt2 import GPT2Model
from carryover.runtime.errors import BadInput

PROMPTS = [[5], [3, 1, 4, 1, 5, 9, 2, 6], list(range(20)), [7, 8], [88, 0, 88]]
SHAPES = [
    {},
    {"n_layer": 1, "n_head": 1, "n_embd": 16},
    {"n_layer": 4, "n_head": 8, "n_embd": 64, "n_inner": 128, "vocab_size": 211},
    {"n_layer": 3, "n_head": 2, "n_embd": 24, "n_inner": 100, "layer_norm_epsilon": 1e-3},
]


def pad_left(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, T] that all end in the last column, and which of them are real."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    return ids, torch.tensor([[column >= width - len(prompt) for column in range(width)] for prompt in prompts])


def varied(make_model, seed: int, **shape) -> GPT2Model:
    """A model whose greedy text does not settle on one token: positions weigh as much as tokens."""
    model = make_model(seed, std=0.3, **shape)
    with torch.no_grad():
        model.position_embedding.weight.mul_(5)
    return model


def alone(model: GPT2Model, prompt: list[int], most: int, **choice) -> Continuation:
    (found,) = generate(model, [prompt], most, **choice)
    return found


def transformers_continuation(theirs: torch.nn.Module, prompt: list[int], new: int, end: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = theirs.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new, eos_token_id=end, pad_token_id=end
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_is_transformers_greedy(make_model, twin, seed, shape):
    """Token by token, in one batch of prompts of different lengths, some of which end before others."""
    model = varied(make_model, seed, **shape)
    theirs, found = twin(model), generate(model, PROMPTS, 25)
    assert len({token for tokens, _ in found for token in tokens}) > 4  # texts of one token would agree too easily
    for (tokens, stopped), prompt in zip(found, PROMPTS, strict=True):
        expected = transformers_continuation(theirs, prompt, 25, end=96)
        ended = expected[-1] == 96
        assert tokens == (expected[:-1] if ended else expected)
        assert stopped == ("end of text" if ended else "length")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_batch_is_transformers_batch_under_left_padding(make_model, twin, seed):
    model = varied(make_model, seed)
    ids, real = pad_left(PROMPTS)
    out = twin(model).generate(
        ids, attention_mask=real.long(), do_sample=False, max_new_tokens=20, eos_token_id=None, pad_token_id=0
    )
    model.facts = dataclasses.replace(model.facts, end_tokens=())
    found = generate(model, PROMPTS, 20)
    assert [continuation.tokens for continuation in found] == out[:, ids.shape[1] :].tolist()


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.7), Sampling(1.5, top_k=20), Sampling(1.0, top_p=0.8)], ids=str)
def test_text_does_not_depend_on_the_batch(make_model, sampling):
    """Alone, in another order, beside a row that ends first: each prompt has its own stream of random numbers."""
    model = varied(make_model, 0)
    ends = alone(model, [7, 8], 20).tokens[3]
    model.facts = dataclasses.replace(model.facts, end_tokens=(ends,))
    together = generate(model, PROMPTS, 24, sampling, 3)
    assert together == [alone(model, prompt, 24, sampling=sampling, seed=3) for prompt in PROMPTS]
    assert together == generate(model, PROMPTS[::-1], 24, sampling, 3)[::-1]
    assert len({len(tokens) for tokens, _ in together}) > 1  # rows that left the batch while others went on


def test_the_seed_decides_what_is_drawn(make_model):
    model = varied(make_model, 0)
    texts = [generate(model, PROMPTS, 20, Sampling(1.0), seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    torch.manual_seed(5)
    assert generate(model, PROMPTS, 20, Sampling(1.0), 0) == texts[0]  # nothing else does


@pytest.mark.parametrize("parts", [[6], [1, 1, 1, 1, 1, 1], [2, 3, 1], [5, 1]])
def test_what_was_read_in_parts_was_read_at_once(make_model, parts):
    """The state of the last column is the one that the whole model gives, however the columns came into the cache."""
    model = make_model(3)
    ids, real = pad_left([[1, 2, 3, 4, 5, 6], [9, 8], [4, 4, 4, 4]])
    expected = model(ids, real.long())["last_token"]
    cache = model.empty_cache(3, 8)
    with torch.inference_mode():
        for columns in torch.arange(6).split(parts):
            found = model.read(cache, ids[:, columns], real[:, columns])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_padding_leaves_no_trace(make_model):
    """Whatever stands in the places of padding, and however many there are."""
    model = make_model(3)
    states = []
    for padding in ([], [0], [7, 3, 90]):
        cache = model.empty_cache(1, 20)
        real = torch.tensor([[False] * len(padding) + [True] * 3])
        with torch.inference_mode():
            model.read(cache, torch.tensor([[*padding, 1, 2, 3]]), real)
            states.append(model.read(cache, torch.tensor([[4]]), torch.tensor([[True]])))
    for state in states[1:]:
        torch.testing.assert_close(state, states[0], atol=1e-6, rtol=1e-6)


def test_stops_at_end_of_text_without_it(make_model, twin):
    model = varied(make_model, 0)
    tokens, stopped = alone(model, [7, 8], 20)
    assert stopped == "length" and len(tokens) == 20
    end = tokens[6]
    model.facts = dataclasses.replace(model.facts, end_tokens=(end,))
    assert alone(model, [7, 8], 20) == (tokens[: tokens.index(end)], "end of text")
    assert transformers_continuation(twin(model), [7, 8], 20, end) == tokens[: tokens.index(end) + 1]


@pytest.mark.parametrize("limit", [0, 1, 9])
def test_stops_at_the_limit(make_model, limit):
    model = varied(make_model, 0)
    whole = generate(model, PROMPTS, 20)
    for (tokens, stopped), (longer, _) in zip(generate(model, PROMPTS, limit), whole, strict=True):
        assert tokens == longer[:limit] and len(tokens) == limit and stopped == "length"


def test_each_row_stops_where_its_positions_end(make_model):
    """A batch goes on for its shorter prompts when the positions of the longest are used up."""
    model = varied(make_model, 1, n_positions=12, eos_token_id=None)
    prompts = [list(range(length)) for length in (3, 11, 12, 15, 1)]
    found = generate(model, prompts, 100)
    assert [len(tokens) for tokens, _ in found] == [9, 1, 0, 0, 11]
    assert {stopped for _, stopped in found} == {"length"}
    assert found == [alone(model, prompt, 100) for prompt in prompts]


def test_nothing_to_continue(make_model):
    assert generate(make_model(), [], 5) == []
    with pytest.raises(BadInput, match="empty prompt"):
        generate(make_model(), [[1], []], 5)


def test_dropout_is_off(make_model):
    model = varied(make_model, 0, dropout=0.5).train()
    assert alone(model, [1, 2], 10) == alone(varied(make_model, 0), [1, 2], 10)


def test_one_most_likely_token_is_greedy(make_model):
    model = varied(make_model, 0)
    greedy = generate(model, PROMPTS, 20)
    for sampling in (Sampling(3.0, top_k=1), Sampling(3.0, top_p=1e-9), Sampling(0.0, top_k=5, top_p=0.5), Sampling(1e-6)):
        assert generate(model, PROMPTS, 20, sampling) == greedy


def brute_force(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """The distribution of one row, token by token, in the order in which the cuts are defined."""
    weights = np.exp((logits - logits.max()) / sampling.temperature)
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))[: sampling.top_k or len(logits)]
    total, kept, mass = sum(weights[token] for token in order), [], 0.0
    for token in order:
        if kept and mass >= sampling.top_p:
            break
        kept.append(token)
        mass += weights[token] / total
    found = np.zeros(len(logits))
    found[kept] = weights[kept] / weights[kept].sum()
    return found


CHOICES = [Sampling(*choice) for choice in ((1.0,), (0.5,), (2.0,), (1.0, 5), (0.8, 3, 0.7), (1.0, None, 0.9), (1.3, 8, 0.5))]


@pytest.mark.parametrize("sampling", CHOICES, ids=str)
def test_probabilities_are_those_of_brute_force(sampling):
    logits = np.random.default_rng(0).normal(0, 2, (20, 12)).astype(np.float32)
    logits[3, 4:] = logits[3, 4]  # many that are equally likely
    found = probabilities(torch.from_numpy(logits), sampling).numpy()
    for row, distribution in zip(logits.astype(np.float64), found, strict=True):
        np.testing.assert_allclose(distribution, brute_force(row, sampling), atol=1e-9)


def test_the_nucleus_is_the_smallest_set_that_reaches_the_mass():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    kept = {
        mass: (probabilities(logits, Sampling(1.0, top_p=mass))[0] > 0).tolist() for mass in (0.01, 0.49, 0.51, 0.74, 0.76, 1.0)
    }
    first, two, three = [False, True, False, False], [False, True, False, True], [False, True, True, True]
    assert kept == {0.01: first, 0.49: first, 0.51: two, 0.74: two, 0.76: three, 1.0: [True] * 4}


@pytest.mark.parametrize("sampling", CHOICES, ids=str)
def test_what_is_drawn_has_these_probabilities(make_model, sampling):
    """Chi-square over 20,000 first tokens after one prompt, each drawn under its own seed; p above 0.001 at these seeds."""
    model = make_model(0, std=0.2, vocab_size=12, eos_token_id=None)
    with torch.inference_mode():
        logits = model.hidden_state_to_token(model(torch.tensor([[1, 2, 3]]))["last_token"])
    expected = brute_force(logits[0].double().numpy(), sampling)
    distribution = probabilities(logits, sampling)
    uniform = torch.tensor([np.random.default_rng([seed, 1, 2, 3]).random() for seed in range(20_000)], dtype=torch.float64)
    drawn = draw(distribution.expand(len(uniform), -1), uniform)
    assert drawn[:30].tolist() == [alone(model, [1, 2, 3], 1, sampling=sampling, seed=seed).tokens[0] for seed in range(30)]
    counts = np.bincount(drawn.numpy(), minlength=12)
    assert counts[expected == 0].sum() == 0
    possible = expected > 0
    assert possible.sum() > 1
    assert scipy.stats.chisquare(counts[possible], expected[possible] * len(uniform)).pvalue > 0.001


def test_the_ends_of_the_interval_draw_what_is_possible():
    distribution = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]], dtype=torch.float64)
    drawn = [int(draw(distribution, torch.tensor([number], dtype=torch.float64))) for number in (0.0, 0.29, 0.31, 1 - 2**-53)]
    assert drawn == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("sampling", "shown"),
    [
        (Sampling(), "greedy"),
        (Sampling(0.0, 5, 0.5), "greedy"),
        (Sampling(0.8), "drawn at temperature 0.8"),
        (Sampling(1.0, 40, 0.95), "drawn at temperature 1, top-k 40, top-p 0.95"),
    ],
)
def test_the_report_says_how_tokens_were_chosen(sampling, shown):
    assert str(sampling) == shown
