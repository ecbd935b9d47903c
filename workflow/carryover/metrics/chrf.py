"""chrF2 of a corpus (Popovic 2015, W15-3049): F of character n-grams up to six, recall weighing four times as much, 0 to 100.

As sacrebleu computes it by default, `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no`, which is its twin in the tests. A score
of the corpus is one of summed counts, never a mean over sentences.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

ORDER = 6  # the longest n-gram
RECALL = 2**2  # how much more recall weighs than precision, beta squared


def sums(rows: pd.DataFrame) -> np.ndarray:
    """For n = 1 to 6 the n-grams of the prediction, of the target and in both, [rows, 18].

    rows: `target` and `predicted` (text). Of an order that the target is too short for, the prediction's do not count.
    """
    counts = np.zeros((len(rows), ORDER, 3))
    for place, (target, predicted) in enumerate(zip(rows["target"], rows["predicted"], strict=True)):
        for n in range(1, ORDER + 1):
            ours, theirs = _ngrams(predicted, n), _ngrams(target, n)
            if theirs:
                counts[place, n - 1] = ours.total(), theirs.total(), (ours & theirs).total()
    return counts.reshape(len(rows), -1)


def value(sums: np.ndarray) -> np.ndarray:
    """chrF2, 0 to 100, of sums [..., 18]: precision and recall are means over the orders that both texts have."""
    predicted, target, both = np.moveaxis(sums.reshape(*sums.shape[:-1], ORDER, 3), -1, 0)
    present = (predicted > 0) & (target > 0)
    orders = np.maximum(present.sum(axis=-1), 1)
    precision, recall = (
        np.divide(both, total, out=np.zeros(both.shape), where=present).sum(axis=-1) / orders for total in (predicted, target)
    )
    weighted = RECALL * precision + recall
    score = np.divide((1 + RECALL) * precision * recall, weighted, out=np.zeros(weighted.shape), where=weighted > 0)
    return 100 * score


def _ngrams(text: str, n: int) -> Counter[str]:
    """The n-grams of a text's characters without its white space."""
    characters = "".join(text.split())
    return Counter(characters[start : start + n] for start in range(len(characters) - n + 1))
