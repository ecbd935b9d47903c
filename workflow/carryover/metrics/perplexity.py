"""Perplexity by token: never compared between tokenisers, whose tokens are of different length (see `bits_per_byte`)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sums(rows: pd.DataFrame) -> np.ndarray:
    """The negative log-likelihood in nats, and the tokens that were predicted, [n, 2]. rows: `nats` and `tokens`."""
    return rows[["nats", "tokens"]].to_numpy(dtype=np.float64)


def value(sums: np.ndarray) -> np.ndarray:
    """exp(nats / tokens) of sums [..., 2]."""
    return np.exp(sums[..., 0] / sums[..., 1])
