"""Neurons of one language: which they are, and what is lost without them.

Found by the entropy of how often they are active over languages (LAPE, Tang et al. 2024, arXiv:2402.16438). What a neuron does is
then asked by taking it out, beside as many others of the same block: drawn at random, and drawn among those that are as active.

Shapes: G languages, L blocks, F neurons of a block. A neuron is active where what goes into its activation function is positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from carryover.inspection.tap import OUT_OF_NEURONS, neuron_maps
from carryover.models.interface import LanguageModel

OFTEN = 0.95  # the quantile of rates above which a neuron counts as active in a language; those that are 1 left out
NEIGHBOURS = 10  # as many neurons on each side, by rate, are as active as one


def language_entropy(rates: np.ndarray) -> np.ndarray:
    """The entropy in nats, [L, F], of each neuron's rates [G, L, F] over languages; ln G for one that is never active."""
    total = rates.sum(axis=0)
    share = np.divide(rates, total, out=np.full(rates.shape, 1 / len(rates)), where=total > 0)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=0)


def specific(rates: np.ndarray, share: float) -> np.ndarray:
    """Which neurons are specific to which language, true in [G, L, F].

    Of the neurons that some language activates often, the `share` of all with the lowest entropy; each belongs to the languages
    that do. rates [G, L, F]: on what part of a language's tokens a neuron was active.
    """
    varied = rates[rates < 1]  # in small models many neurons are always active, and no rate is above theirs
    often = rates > (np.quantile(varied, OFTEN) if varied.size else 1)
    entropy = np.where(often.any(axis=0), language_entropy(rates), np.inf)
    count = max(1, round(share * entropy.size))
    chosen = np.zeros(entropy.size, dtype=bool)
    chosen[np.argsort(entropy, axis=None, kind="stable")[:count]] = True
    return often & (chosen.reshape(entropy.shape) & np.isfinite(entropy))


def at_random(chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many other neurons of each block as are chosen [L, F], drawn at random."""
    drawn = np.zeros_like(chosen)
    for block, some in enumerate(chosen):
        others = np.flatnonzero(~some)
        drawn[block, rng.choice(others, min(int(some.sum()), len(others)), replace=False)] = True
    return drawn


def as_active(chosen: np.ndarray, rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each chosen neuron [L, F] another of its block that is about as active in a language, whose rates are [L, F]."""
    drawn = np.zeros_like(chosen)
    for block, some in enumerate(chosen):
        others = np.flatnonzero(~some)
        order = list(others[np.argsort(rates[block, others], kind="stable")])
        for neuron in np.flatnonzero(some)[: len(order)]:
            place = int(np.searchsorted(rates[block, order], rates[block, neuron]))
            near = range(max(0, place - NEIGHBOURS), min(len(order), place + NEIGHBOURS))
            drawn[block, order.pop(int(rng.choice(near)))] = True
    return drawn


@contextmanager
def ablated(model: LanguageModel, chosen: np.ndarray) -> Iterator[None]:
    """While it is open, the chosen neurons [L, F] of a model say 0, whatever goes into them."""
    device = next(model.parameters()).device

    def without(keep: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        return lambda module, inputs: (inputs[0] * keep, *inputs[1:])

    maps = neuron_maps(model, OUT_OF_NEURONS)
    hooks = [
        module.register_forward_pre_hook(without(torch.from_numpy(~some).to(device)))
        for module, some in zip(maps, chosen, strict=True)
        if some.any()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
