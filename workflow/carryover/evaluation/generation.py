"""Text from a model: continuations of prompts, greedy or sampled."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from carryover.models.interface import LanguageModel
from carryover.runtime.errors import BadInput


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the most likely one (temperature 0), or one drawn from the distribution that is sharpened
    (below 1) or flattened by the temperature, cut to the `top_k` most likely tokens (None: all) and then to the smallest set
    of these whose mass reaches `top_p` (nucleus sampling, Holtzman et al. 2020)."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0

    def __str__(self) -> str:
        if self.temperature == 0:
            return "greedy"
        cuts = [f"top-k {self.top_k}"] * (self.top_k is not None) + [f"top-p {self.top_p:g}"] * (self.top_p < 1)
        return ", ".join([f"drawn at temperature {self.temperature:g}", *cuts])


GREEDY = Sampling()


class Continuation(NamedTuple):
    """New token ids, without end of text, and what stopped them: `end of text` or `length`."""

    tokens: list[int]
    stopped_by: str


@torch.inference_mode()
def generate(
    model: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int, sampling: Sampling = GREEDY, seed: int = 0
) -> list[Continuation]:
    """Continues a batch of prompts, token ids of any lengths.

    A row stops at an end-of-text token of the model, after `max_new_tokens`, or where the positions end. What is drawn depends on
    the seed and the prompt alone, not on the batch that a prompt is in. Raises BadInput for an empty prompt.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise BadInput("an empty prompt has nothing to go on from; take one that is at least one token")
    model.eval()
    found = [Continuation([], "length") for _ in prompts]
    context = model.facts.context or sys.maxsize
    most = [min(max_new_tokens, context - len(prompt)) for prompt in prompts]
    active = [row for row in range(len(prompts)) if most[row] > 0]
    if not active:
        return found
    streams = [np.random.default_rng([seed, *prompt]) for prompt in prompts]
    ids, real = pad_left([prompts[row] for row in active], next(model.parameters()).device)
    cache = model.empty_cache(len(active), ids.shape[1] + max(most))
    while active:
        logits = model.hidden_state_to_token(model.read(cache, ids, real))
        if sampling.temperature == 0:
            chosen = logits.argmax(dim=1)
        else:
            uniform = torch.tensor([streams[row].random() for row in active], dtype=torch.float64, device=logits.device)
            chosen = draw(probabilities(logits, sampling), uniform)
        going = []
        for place, (row, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
            if token in model.facts.end_tokens:
                found[row] = found[row]._replace(stopped_by="end of text")
            else:
                found[row].tokens.append(token)
                if len(found[row].tokens) < most[row]:
                    going.append(place)
        if len(going) < len(active):
            places = torch.tensor(going, dtype=torch.long, device=chosen.device)
            cache, chosen, active = cache.of_rows(places), chosen[places], [active[place] for place in going]
        ids, real = chosen[:, None], torch.ones_like(chosen[:, None], dtype=torch.bool)
    return found


def pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids [B, T] that all end in the last column, and which of them are real."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    return ids, torch.arange(width, device=device) >= width - lengths[:, None]


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """The distribution that the next token is drawn from: [B, V] to [B, V], in double precision. Temperature above 0."""
    likely, order = (logits.double() / sampling.temperature).softmax(dim=1).sort(dim=1, descending=True, stable=True)
    if sampling.top_k is not None:
        likely[:, sampling.top_k :] = 0
        likely /= likely.sum(dim=1, keepdim=True)
    if sampling.top_p < 1:  # the mass of the more likely tokens decides: the first has none before it, and so always stays
        likely[likely.cumsum(dim=1) - likely >= sampling.top_p] = 0
    return torch.zeros_like(likely).scatter(1, order, likely / likely.sum(dim=1, keepdim=True))


def draw(distribution: Tensor, uniform: Tensor) -> Tensor:
    """A token of each row [B, V] by a number from [0, 1): the first at which the sum of probabilities exceeds it."""
    sums = distribution.cumsum(dim=1)
    places = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)
    return places.squeeze(1).clamp(max=distribution.shape[1] - 1)
