"""Macro F1: the unweighted mean over classes of 2 TP / (predicted + gold). Of one class a row, the micro average is accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sums(rows: pd.DataFrame) -> np.ndarray:
    """For each class right predictions, and predictions plus targets of it, [n, 2 classes].

    rows: `target` and `predicted`; the classes are all that occur in either.
    """
    both = np.concatenate([rows["target"].to_numpy(), rows["predicted"].to_numpy()])
    classes, numbers = np.unique(both, return_inverse=True)
    one_hot = np.eye(len(classes))[numbers].reshape(2, len(rows), len(classes))
    return np.stack([one_hot[0] * one_hot[1], one_hot[0] + one_hot[1]], axis=-1).reshape(len(rows), -1)


def value(sums: np.ndarray) -> np.ndarray:
    """Macro F1, a fraction, of sums [..., 2 classes]; over the classes that occur, as scikit-learn's `f1_score` does."""
    right, occurrences = sums[..., 0::2], sums[..., 1::2]
    present = occurrences > 0
    f1 = np.divide(2 * right, occurrences, out=np.zeros(right.shape), where=present)
    return f1.sum(axis=-1) / present.sum(axis=-1)
