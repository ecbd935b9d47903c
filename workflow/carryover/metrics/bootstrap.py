"""The bootstrap of every metric: clusters are resampled, and seeds as a second level across them.

Rows of an evaluation set come in clusters that are not independent (pairs with one premise, words of one sentence), so clusters
are drawn, never rows (Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). Every system that answers the same clusters
sees the same draws: differences between systems are paired without further work.

Shapes: n rows, C clusters, S seeds, R resamples, k sums of a metric. A metric is a value of sums over rows
(`carryover.metrics.accuracy` and its neighbours), or, where no sums are enough, a function of the rows of a resample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CHUNK = 500  # resamples drawn at once: bounds the memory of the 64-bit counts


@dataclass(frozen=True)
class Settings:
    """How intervals are made: their confidence, the number of resamples, and the seed of the draws."""

    confidence: float
    resamples: int
    seed: int


def cluster_sums(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sums within each cluster. values [..., n]; clusters [n]: indices 0 to C - 1. Returns [..., C], float64."""
    count = int(clusters.max()) + 1
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    sums = [np.bincount(clusters, weights=row, minlength=count) for row in flat]
    return np.stack(sums).reshape(*values.shape[:-1], count)


@lru_cache(maxsize=3)
def cluster_weights(clusters: int, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster was drawn in each resample: multinomial counts [R, C], float32.

    Kept between calls: 67 MB for the 1,670 premises of the XNLI test set and 10,000 resamples.
    """
    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, clusters), dtype=np.float32)
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        weights[start : start + size] = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=size)
    weights.flags.writeable = False
    return weights


def resampled_values(
    sums: np.ndarray, value: Callable[[np.ndarray], np.ndarray], settings: Settings, stream: int = 0
) -> np.ndarray:
    """A metric in each resample, [R].

    sums [S, C, k]: what each seed's rows of each cluster add to the metric's sums; value: [..., k] to [...]. Whole numbers
    below 2^24 are added without error, others to about 1e-6 of their total. stream: see `mean_over_drawn_seeds`.
    """
    seeds, clusters, kinds = sums.shape
    weights = cluster_weights(clusters, settings.resamples, settings.seed)
    flat = sums.transpose(1, 0, 2).reshape(clusters, seeds * kinds).astype(np.float32)
    totals = (weights @ flat).astype(np.float64)  # one pass over the weights, which bound the time
    return mean_over_drawn_seeds(value(totals.reshape(-1, seeds, kinds)), settings, stream)


def resampled_statistics(
    statistic: Callable[[int, np.ndarray], float], seeds: int, clusters: np.ndarray, settings: Settings, stream: int = 0
) -> np.ndarray:
    """A metric without sums (a rank correlation, an area under a curve) in each resample, [R], under the same draws.

    statistic: of a seed's index and the indices of the rows of a resample, in which a cluster that was drawn twice stands
    twice; clusters [n]: each row's, 0 to C - 1.
    """
    weights = cluster_weights(int(clusters.max()) + 1, settings.resamples, settings.seed)
    every = np.arange(len(clusters))
    values = np.empty((settings.resamples, seeds))
    for draw, weight in enumerate(weights):
        rows = np.repeat(every, weight[clusters].astype(np.int64))
        values[draw] = [statistic(seed, rows) for seed in range(seeds)]
    return mean_over_drawn_seeds(values, settings, stream)


def mean_over_drawn_seeds(values: np.ndarray, settings: Settings, stream: int = 0) -> np.ndarray:
    """The mean over seeds of each resample's values [R, S], as [R]; several seeds are drawn too, with replacement.

    The levels are crossed, since every seed answers every cluster, so seeds are drawn independently of clusters. stream:
    systems with different streams draw their seeds independently of each other.
    """
    resamples, seeds = values.shape
    if seeds == 1:
        return values[:, 0]
    drawn = np.random.default_rng([settings.seed, stream]).integers(0, seeds, size=(resamples, seeds))
    return np.take_along_axis(values, drawn, axis=1).mean(axis=1)


def interval(resampled: np.ndarray, confidence: float) -> tuple[float, float]:
    """The percentile interval of resampled values; NaN where none of them is a number."""
    values = resampled[np.isfinite(resampled)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired_p(difference: float, resampled: np.ndarray) -> float:
    """Two-sided p of a difference under no difference: how often the resampled ones [R] stray as far from their own mean.

    The spread around the mean stands for the null (Koehn 2004, W04-3250, as sacrebleu computes it); the smallest p is
    1 / (R + 1). NaN where a difference is none.
    """
    values = resampled[np.isfinite(resampled)]
    if not np.isfinite(difference) or not len(values):
        return float("nan")
    as_far = np.abs(values - values.mean()) >= abs(difference) - 1e-12
    return float((1 + as_far.sum()) / (1 + len(values)))
