"""The declared matrix of planted effects by instruments: what each instrument must see, and what it must not.

The states of two languages, the weights of a head, the rates of neurons and the states at the end of prompts are arrays of our
making; each effect changes one of them. An instrument sees an effect where its value leaves that of the arrays without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from carryover.inspection.attention import MEASURES, measures
from carryover.inspection.neurons import specific
from carryover.inspection.representations import raw_cosine, similarities
from study_runner import PROJECT

MATRIX = pd.read_csv(PROJECT / "docs" / "interpretability" / "planted_effects.csv", index_col="effect").notna()
SEEN = 0.05  # a change beyond it is seen
N, WIDTH, LENGTH, LANGUAGES = 80, 12, 12, 5


@dataclass(frozen=True)
class Arrays:
    source: np.ndarray
    other: np.ndarray
    head: torch.Tensor
    rates: np.ndarray
    ends: np.ndarray


def make() -> Arrays:
    """Translations that are alike, a head that does a bit of everything, neurons of no language, ends that say nothing.

    All states share a direction, as those of models do.
    """
    rng = np.random.default_rng(0)
    source = rng.normal(size=(N, WIDTH))
    other = source + 0.5 * rng.normal(size=(N, WIDTH))
    scores = torch.randn(1, 1, LENGTH, LENGTH, generator=torch.Generator().manual_seed(0)) * 1.5
    head = (scores + torch.full((LENGTH, LENGTH), -torch.inf).triu(1)).softmax(dim=-1)
    shared = 30 * np.eye(WIDTH)[0]
    rates = rng.uniform(0.4, 0.5, size=(LANGUAGES, 2, 100))
    return Arrays(source + shared, other + shared, head, rates, rng.normal(size=(N, WIDTH)))


TARGETS = np.random.default_rng(1).integers(0, 3, N)
PROJECTION = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, WIDTH)))[0][:3]


def instruments(arrays: Arrays) -> dict[str, float]:
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(N), (19, 1)), axis=1)
    found = {name: one.value for name, one in similarities(arrays.other, arrays.source, orders).items()}
    found["raw_cosine"] = raw_cosine(arrays.source, arrays.other).mean()
    found |= dict(zip(MEASURES, measures(arrays.head)[0, 0].tolist(), strict=True))
    found["specific"] = specific(arrays.rates, share=0.005)[1, 0, 4]
    found["lens"] = ((arrays.ends @ PROJECTION.T).argmax(axis=1) == TARGETS).mean()
    return {name: float(value) for name, value in found.items()}


def alike() -> torch.Tensor:
    lower = torch.tril(torch.ones(LENGTH, LENGTH))
    return lower / lower.sum(dim=1, keepdim=True)


def planted(effect: str, arrays: Arrays) -> Arrays:
    rng = np.random.default_rng(4)
    if effect == "a language's states moved by one vector":
        return replace(arrays, other=arrays.other + 30 * np.eye(WIDTH)[1])
    if effect == "a language's states turned":
        return replace(arrays, other=arrays.other @ np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0])
    if effect == "a language's states in the order of other sentences":
        return replace(arrays, other=np.roll(arrays.other, 1, axis=0))
    if effect == "half of a language's states replaced by noise":
        noise = np.where(np.arange(N)[:, None] % 2, rng.normal(size=(N, WIDTH)), arrays.other)
        return replace(arrays, other=noise)
    if effect == "a head that looks at all visible tokens alike":
        first = arrays.head[..., :1]
        rest = alike()[:, 1:] / alike()[:, 1:].sum(dim=1, keepdim=True).clamp(min=1e-9)
        return replace(arrays, head=torch.cat([first, (1 - first) * rest], dim=-1))
    if effect == "a head that looks at the token before":
        first = arrays.head[..., :1]
        return replace(arrays, head=torch.cat([first, ((1 - first) * torch.diag(torch.ones(LENGTH - 1), -1)[:, 1:])], dim=-1))
    if effect == "a head that looks at the first token more":
        head = arrays.head * 0.5
        head[..., 0] += 0.5
        return replace(arrays, head=head)
    rates, ends = arrays.rates.copy(), arrays.ends
    if effect == "a neuron made active in one language alone":
        rates[:, 0, 4] = 0.01
        rates[1, 0, 4] = 0.95
    elif effect == "a neuron made more active in every language":
        rates[:, 0, 4] = 0.95
    elif effect == "the answer written into a state":
        ends = ends + 6 * PROJECTION[TARGETS]
    else:
        raise AssertionError(f"nobody plants {effect!r}")
    return replace(arrays, rates=rates, ends=ends)


@pytest.mark.parametrize("effect", MATRIX.index)
def test_each_instrument_sees_what_is_declared_and_nothing_else(effect):
    before, after = instruments(make()), instruments(planted(effect, make()))
    assert set(before) == set(MATRIX.columns)
    seen = {name for name in before if abs(after[name] - before[name]) > SEEN}
    assert seen == set(MATRIX.columns[MATRIX.loc[effect]])


def test_every_instrument_sees_something():
    assert MATRIX.any().all()
