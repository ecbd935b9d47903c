"""Accuracy: the share of rows whose prediction is the target."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sums(rows: pd.DataFrame) -> np.ndarray:
    """Right answers and rows, [n, 2]. rows: `target` and `predicted`."""
    right = (rows["predicted"] == rows["target"]).to_numpy(dtype=np.float64)
    return np.stack([right, np.ones(len(rows))], axis=1)


def value(sums: np.ndarray) -> np.ndarray:
    """Accuracy, a fraction, of sums [..., 2]."""
    return sums[..., 0] / sums[..., 1]
