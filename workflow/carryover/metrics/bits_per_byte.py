"""Bits per byte of UTF-8: a likelihood that can be compared between tokenisers, though not between scripts."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sums(rows: pd.DataFrame) -> np.ndarray:
    """The negative log-likelihood in nats, and the bytes of the predicted text, [n, 2]. rows: `nats` and `bytes`."""
    return rows[["nats", "bytes"]].to_numpy(dtype=np.float64)


def value(sums: np.ndarray) -> np.ndarray:
    """nats / (ln 2 * bytes) of sums [..., 2]."""
    return sums[..., 0] / (np.log(2) * sums[..., 1])
