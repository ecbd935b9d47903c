"""Greedy text against transformers, token by token, and where it stops."""

import dataclasses

import pytest
import torch

from carryover.generation import generate_gpt2
from carryover.gpt2 import GPT2Model


def varied(make_model, seed: int, **shape) -> GPT2Model:
    """A model whose greedy text does not settle on one token: positions weigh as much as tokens."""
    model = make_model(seed, std=0.3, **shape)
    with torch.no_grad():
        model.position_embedding.weight.mul_(5)
    return model


def transformers_continuation(theirs: torch.nn.Module, prompt: list[int], new: int, end: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = theirs.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new, eos_token_id=end, pad_token_id=end
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("prompt", [[5], [3, 1, 4, 1, 5, 9, 2, 6], list(range(20))])
def test_greedy_is_transformers_greedy(make_model, twin, seed, prompt):
    model = varied(make_model, seed)
    tokens, stopped = generate_gpt2(model, prompt, 25)
    expected = transformers_continuation(twin(model), prompt, 25, end=96)
    ended = expected[-1] == 96
    assert tokens == (expected[:-1] if ended else expected)
    assert stopped == ("end of text" if ended else "length")
    assert len(set(tokens)) > 5  # a text of one token would agree too easily


def test_stops_at_end_of_text_without_it(make_model, twin):
    model = varied(make_model, 0)
    tokens, stopped = generate_gpt2(model, [7, 8], 20)
    assert stopped == "length" and len(tokens) == 20
    end = tokens[6]
    model.config = dataclasses.replace(model.config, eos_token_id=end)
    assert generate_gpt2(model, [7, 8], 20) == (tokens[: tokens.index(end)], "end of text")
    assert transformers_continuation(twin(model), [7, 8], 20, end) == tokens[: tokens.index(end) + 1]


@pytest.mark.parametrize("limit", [0, 1, 9])
def test_stops_at_the_limit(make_model, limit):
    model = varied(make_model, 0)
    tokens, stopped = generate_gpt2(model, [7, 8], limit)
    assert tokens == generate_gpt2(model, [7, 8], 20)[0][:limit]
    assert len(tokens) == limit and stopped == "length"


@pytest.mark.parametrize("prompt", [3, 11, 12, 15])
def test_stops_where_the_positions_end(make_model, prompt):
    model = varied(make_model, 1, n_positions=12)
    tokens, stopped = generate_gpt2(model, list(range(prompt)), 100)
    assert stopped == "length"
    assert len(tokens) == max(0, 12 - prompt)


def test_dropout_is_off(make_model):
    model = varied(make_model, 0, dropout=0.5).train()
    assert generate_gpt2(model, [1, 2], 10) == generate_gpt2(varied(make_model, 0), [1, 2], 10)
