"""Bits per sentence: of parallel text what the same content costs in each language, whatever its script and tokeniser."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sums(rows: pd.DataFrame) -> np.ndarray:
    """The negative log-likelihood in nats, and 1 for each sentence, [n, 2]. rows: `nats`, a row a sentence."""
    return np.stack([rows["nats"].to_numpy(dtype=np.float64), np.ones(len(rows))], axis=1)


def value(sums: np.ndarray) -> np.ndarray:
    """nats / (ln 2 * sentences) of sums [..., 2]."""
    return sums[..., 0] / (np.log(2) * sums[..., 1])
