"""Entity F1: the micro average over the spans of strict IOB2 tags, as shared tasks on named entities score.

A span begins at `B-<type>` and goes on with `I-<type>`; an `I-` that continues none is no entity. Only a span of the same
words and type is right. The twin in the tests is seqeval with `mode="strict", scheme=IOB2`; its default forgives a stray `I-`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from carryover.runtime.errors import BadInput


def sums(rows: pd.DataFrame) -> np.ndarray:
    """Right, predicted and gold spans that begin at each word, [n, 3].

    rows: words in their order, with `id` and `cluster` (of the sentence), `target` and `predicted` (tags).
    """
    sentence = rows[["id", "cluster"]].to_numpy()
    fresh = np.ones(len(rows), dtype=bool)  # the first word of a sentence
    fresh[1:] = (sentence[1:] != sentence[:-1]).any(axis=1)
    types, gold_end = _spans(rows["target"], fresh)
    predicted_types, predicted_end = _spans(rows["predicted"], fresh)
    gold, predicted = gold_end > 0, predicted_end > 0
    right = gold & predicted & (gold_end == predicted_end) & (types == predicted_types)
    return np.stack([right, predicted, gold], axis=1).astype(np.float64)


def value(sums: np.ndarray) -> np.ndarray:
    """F1, a fraction, of sums [..., 3]; NaN where there is no span at all."""
    spans = sums[..., 1] + sums[..., 2]
    return np.divide(2 * sums[..., 0], spans, out=np.full(spans.shape, np.nan), where=spans > 0)


def _spans(tags: pd.Series, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The type of each word's tag, and where the span that begins at it ends (the next word's index; 0 where none begins)."""
    parts = tags.astype(str).str.partition("-")
    kind, types = parts[0].to_numpy(dtype=object), parts[2].to_numpy(dtype=object)
    begins, inside = kind == "B", kind == "I"
    if not (begins | inside | (kind == "O")).all():
        raise BadInput(f"{tags[~(begins | inside | (kind == 'O'))].iloc[0]!r} is no IOB2 tag: O, B-<type> or I-<type>")
    continues = np.zeros(len(tags), dtype=bool)
    continues[1:] = inside[1:] & ~fresh[1:] & (kind[:-1] != "O") & (types[1:] == types[:-1])
    stops = np.append(np.flatnonzero(~continues), len(tags))
    end = np.zeros(len(tags), dtype=np.int64)
    starts = np.flatnonzero(begins)
    end[starts] = stops[np.searchsorted(stops, starts, side="right")]
    return types, end
