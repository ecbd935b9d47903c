"""What the key-value cache saves: one more token by a cached step, and by reading everything before it again."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from benchmarks.timing import Check, medians, whole
from carryover.models.cache import KeyValueCache
from carryover.models.gpt2 import GPT2Model

LENGTH = 512
LARGEST_SHARE = 0.2
EQUAL = 1e-4  # the largest difference of a logit


def generation(model: GPT2Model, rounds: int, length: int = LENGTH) -> list[Check]:
    """The cost of the token after `length - 1` others, cached over not, both with its logits; and their difference."""
    model.eval()
    ids = torch.randint(model.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
    real = torch.ones_like(ids, dtype=torch.bool)
    cache = model.empty_cache(1, length)
    with torch.inference_mode():
        model.read(cache, ids[:, :-1], real[:, :-1])
        step, everything = partial(cached_step, model, cache, ids[:, -1:]), partial(full_run, model, ids)
        difference = float((step() - everything()).abs().max())
        seconds = medians({"a cached step": whole(step), "a full run": whole(everything)}, rounds)
    share = seconds["a cached step"] / seconds["a full run"]
    return [
        Check(f"generation at length {length}: a cached step", 1000 * seconds["a cached step"], "ms"),
        Check(f"generation at length {length}: a cached step over a full run", share, "x", most=LARGEST_SHARE),
        Check(f"generation at length {length}: largest difference of a logit", difference, "", most=EQUAL),
    ]


def cached_step(model: GPT2Model, cache: KeyValueCache, token: Tensor) -> Tensor:
    """The logits after the last column of a cache that holds all columns before it."""
    cache.width = cache.real.shape[1] - 1
    return model.hidden_state_to_token(model.read(cache, token, torch.ones_like(token, dtype=torch.bool)))


def full_run(model: GPT2Model, ids: Tensor) -> Tensor:
    """The same without a cache."""
    return model.hidden_state_to_token(model(ids)["last_token"])
