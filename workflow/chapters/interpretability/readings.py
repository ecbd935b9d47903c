"""What was read out of one model, from the files of its readings to rows: a layer, a head, a language each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from carryover.inspection import representations
from carryover.inspection.attention import MEASURES
from carryover.runtime import files

Arrays = dict[str, np.ndarray]
RAW, RAW_SHUFFLED = "raw_cosine", "raw_shuffled"


def read_reading(path: Path) -> Arrays:
    """The arrays of a reading by name (`carryover.inspection.tap.Reading`), with `states`, the numbers of the hidden states.

    Raises BadInput where the file is damaged.
    """
    with files.reading(path):
        return load_file(path)


def permutations(n: int, count: int, seed: int) -> np.ndarray:
    """So many random orders of n sentences, [count, n]: the null of every similarity."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (count, 1)), axis=1)


def representation_rows(language: str, source: Arrays, reading: Arrays, orders: np.ndarray) -> list[dict[str, Any]]:
    """A row a layer and measure: how alike the sentences of a language are to those of the source language."""
    rows = []
    for place, state in enumerate(reading["states"].tolist()):
        found = representations.similarities(reading["pooled"][:, place], source["pooled"][:, place], orders)
        raw = reading[RAW][:, place]
        named = {"language": language, "layer": state, "n": len(raw)}
        rows += [named | {"measure": name} | one._asdict() for name, one in found.items()]
        own = {"measure": RAW, "value": raw.mean(), "error": raw.std(ddof=1) / np.sqrt(len(raw))}
        rows.append(named | own | {"null": reading[RAW_SHUFFLED][:, place].mean()})
    return rows


def sentence_row(language: str, reading: Arrays) -> dict[str, Any]:
    """What the sentences of a language cost: tokens and bits, means with their standard errors."""
    bits, tokens = reading["nats"] / np.log(2), reading["tokens"]
    n = len(tokens)
    row = {"language": language, "n": n, "tokens": tokens.mean(), "bits": bits.mean()}
    return row | {"tokens_error": tokens.std(ddof=1) / np.sqrt(n), "bits_error": bits.std(ddof=1) / np.sqrt(n)}


def lens_rows(language: str, reading: Arrays) -> list[dict[str, Any]]:
    """A row a hidden state and measure of the answer that it would give.

    accuracy: of the likeliest candidate; settled: how often that is the last state's; mass: the probability of all candidates
    together. Standard errors are those of means over clusters.
    """
    chosen, mass = reading["logp"].argmax(axis=-1), np.exp(reading["logp"].astype(np.float64)).sum(axis=-1)
    target, cluster = reading["target"], reading["cluster"]
    rows = []
    for place, state in enumerate(reading["states"].tolist()):
        found = {"accuracy": chosen[:, place] == target, "settled": chosen[:, place] == chosen[:, -1], "mass": mass[:, place]}
        for name, values in found.items():
            value, error = clustered_mean(values.astype(np.float64), cluster)
            rows.append({"language": language, "layer": state, "measure": name, "value": value, "error": error, "n": len(target)})
    return rows


def clustered_mean(values: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """The mean of values [n] and its standard error where rows of one cluster [n] are not independent."""
    every, mean = np.unique(clusters, return_inverse=True)[1], values.mean()
    residual = np.bincount(every, weights=values - mean)
    return float(mean), float(np.sqrt((residual**2).sum() * len(residual) / max(len(residual) - 1, 1)) / len(values))


def attention_rows(language: str, reading: Arrays) -> list[dict[str, Any]]:
    """A row a block, head and measure: means over the sentences that are long enough, with their standard errors."""
    values = reading["attention"].astype(np.float64)
    known = values[~np.isnan(values[:, 0, 0, 0])]
    n = len(known)
    if n < 2:
        return []
    mean, error = known.mean(axis=0), known.std(axis=0, ddof=1) / np.sqrt(n)
    return [
        {"language": language, "layer": layer + 1, "head": head, "measure": name, "n": n}
        | {"value": mean[layer, head, place], "error": error[layer, head, place]}
        for layer, head in np.ndindex(mean.shape[:2])
        for place, name in enumerate(MEASURES)
    ]
