"""Text from a model: continuations of prompts, greedy or sampled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from carryover.models.batching import by_width
from carryover.models.interface import LanguageModel
from carryover.models.packing import pack_trees
from carryover.runtime.errors import BadInput

CACHE, CACHE_ON_GPU = 2**27, 2**31  # numbers that the keys and values of a batch may take: 512 MiB and 8 GiB in fp32
SORTED = 1024  # of the most likely tokens, where a vocabulary has more than twice as many


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
    """New token ids, without end of text, and what stopped them: `end of text`, `length`, or what `finished` said."""

    tokens: list[int]
    stopped_by: str


Finished = Callable[[list[int]], str | None]  # asked of the new tokens after each: what stops them, None where they go on


def never(tokens: list[int]) -> None:
    """Nothing stops these."""


@torch.inference_mode()
def generate(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling = GREEDY,
    seed: int = 0,
    finished: Finished = never,
) -> list[Continuation]:
    """Continues prompts, token ids of any number and lengths, in their order.

    A row stops at an end-of-text token of the model, after `max_new_tokens`, where the positions end, or where `finished` says
    so. What is drawn depends on the seed and the prompt alone, not on the others. Raises BadInput for an empty prompt.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise BadInput("an empty prompt has nothing to go on from; take one that is at least one token")
    model.eval()
    facts = model.facts
    most = np.array([min(max_new_tokens, (facts.context or sys.maxsize) - len(prompt)) for prompt in prompts], dtype=np.int64)
    able = np.flatnonzero(most > 0).tolist()
    widths = np.array([len(prompts[row]) for row in able], dtype=np.int64) + most[able]
    room = CACHE if next(model.parameters()).device.type == "cpu" else CACHE_ON_GPU
    found = [Continuation([], "length") for _ in prompts]
    for places in by_width(widths, room // (2 * facts.layers * facts.kv_heads * facts.head_width)):
        rows = [able[place] for place in places]
        given = [list(prompts[row]) for row in rows]
        for row, continuation in zip(rows, _together(model, given, most[rows].tolist(), sampling, seed, finished), strict=True):
            found[row] = continuation
    return found


def _together(
    model: LanguageModel, prompts: list[list[int]], most: list[int], sampling: Sampling, seed: int, finished: Finished
) -> list[Continuation]:
    """Continues a batch of prompts, each by at most so many tokens, 1 or more."""
    device = next(model.parameters()).device
    found = [Continuation([], "length") for _ in prompts]
    streams = [np.random.default_rng([seed, *prompt]) for prompt in prompts]
    batch = pack_trees([[np.array(prompt, dtype=np.int32)] for prompt in prompts]).to(device)
    cache, hidden = model.start(batch, max(most))
    active = list(range(len(prompts)))
    while True:
        tokens = choose(model.hidden_state_to_token(hidden), sampling, [streams[row] for row in active])
        going = []
        for place, (row, token) in enumerate(zip(active, tokens.tolist(), strict=True)):
            stopped: str | None = "end of text"
            if token not in model.facts.end_tokens:
                found[row].tokens.append(token)
                stopped = finished(found[row].tokens)
            if stopped is not None:
                found[row] = found[row]._replace(stopped_by=stopped)
            elif len(found[row].tokens) < most[row]:
                going.append(place)
        if not going:
            return found
        if len(going) < len(active):
            places = torch.tensor(going, dtype=torch.long, device=device)
            cache, tokens, active = cache.of_rows(places), tokens[places], [active[place] for place in going]
        hidden = model.read(cache, tokens[:, None], torch.ones_like(tokens[:, None], dtype=torch.bool))


def choose(logits: Tensor, sampling: Sampling, streams: Sequence[np.random.Generator]) -> Tensor:
    """The next token of each row [B, V], drawn with the next number of the row's own stream where one is drawn."""
    if sampling.temperature == 0:
        # On the CPU, numpy's argmax takes a tenth of PyTorch's time.
        return torch.from_numpy(logits.numpy().argmax(axis=1)) if logits.device.type == "cpu" else logits.argmax(dim=1)
    uniform = torch.tensor([stream.random() for stream in streams], dtype=torch.float64, device=logits.device)
    return draw(probabilities(logits, sampling), uniform)


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """The distribution that the next token is drawn from: [B, V] to [B, V], in double precision. Temperature above 0."""
    every = (logits.double() / sampling.temperature).softmax(dim=1)
    if sampling.top_k is None and sampling.top_p >= 1:
        return every
    likely, order = _most_likely(every, sampling)
    if sampling.top_k is not None:
        likely[:, sampling.top_k :] = 0
        likely /= likely.sum(dim=1, keepdim=True)
    if sampling.top_p < 1:  # the mass of the more likely tokens decides: the first has none before it, and so always stays
        likely[likely.cumsum(dim=1) - likely >= sampling.top_p] = 0
    return torch.zeros_like(every).scatter(1, order, likely / likely.sum(dim=1, keepdim=True))


def _most_likely(every: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Probabilities and their tokens, [B, M], the most likely first, of equal ones the lower id: at least all that the cuts keep.

    To sort a large vocabulary takes longer than a step of a small model, and most of it is cut.
    """
    if every.shape[1] > 2 * SORTED:
        _, order = every.topk(SORTED, dim=1)
        order = order.sort(dim=1).values
        likely, places = every.gather(1, order).sort(dim=1, descending=True, stable=True)
        certain = likely > likely[:, -1:]  # of those that are as likely as the last one, some may be missing
        enough = certain.sum(dim=1) >= sampling.top_k if sampling.top_k else (likely * certain).sum(dim=1) >= sampling.top_p
        if enough.all():
            return likely, order.gather(1, places)
    likely, order = every.sort(dim=1, descending=True, stable=True)
    return likely, order


def draw(distribution: Tensor, uniform: Tensor) -> Tensor:
    """A token of each row [B, V] by a number from [0, 1): the first at which the sum of probabilities exceeds it."""
    sums = distribution.cumsum(dim=1)
    places = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)
    return places.squeeze(1).clamp(max=distribution.shape[1] - 1)
