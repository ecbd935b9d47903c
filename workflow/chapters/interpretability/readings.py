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
RAW = "raw_cosine"


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
        rows.append(named | {"measure": RAW, "value": raw.mean(), "error": raw.std(ddof=1) / np.sqrt(len(raw))})
    return rows


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
