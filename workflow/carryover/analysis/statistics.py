"""The tests of the study: functions of arrays, on scipy. Intervals are `carryover.metrics.bootstrap`'s.

Shapes: n rows, C clusters (rows of a test set that are not independent, such as pairs with one premise), R resamples.
Accuracies and probabilities are fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from carryover.metrics.bootstrap import Settings, cluster_sums, cluster_weights, interval

BINS = 15  # of confidence, equally wide (Guo et al. 2017, arXiv:1706.04599)
POWER = 0.8  # of the smallest difference that a test could have seen


def normal_quantile(confidence: float) -> float:
    """How many standard errors an interval of this confidence reaches to either side."""
    return float(stats.norm.isf((1 - confidence) / 2))


def binomial_p(correct: int, n: int, chance: float) -> float:
    """Exact one-sided p of this many correct answers or more, were the rows independent."""
    return float(stats.binomtest(int(correct), int(n), chance, alternative="greater").pvalue)


def clustered_p(sums: np.ndarray, rows: np.ndarray, chance: float) -> float:
    """One-sided p of an accuracy above chance when rows come in clusters: cluster-robust t with C - 1 degrees of freedom.

    sums, rows [C]: correct answers and rows of each cluster. The variance is that of statsmodels' OLS on a constant with
    `cov_type="cluster"` (its small-sample factor included). Where every cluster has the same residual, nothing varies
    and no t exists: the test is then the exact binomial one, unless the accuracy is not above chance at all (p = 1, as
    for a model that gives one answer to everything).
    """
    count, total = len(rows), float(rows.sum())
    excess = sums.sum() / total - chance
    residual = sums - rows * (sums.sum() / total)
    if count < 2 or np.abs(residual).max() < 1e-12:
        return 1.0 if excess < 1e-12 else binomial_p(round(float(sums.sum())), round(total), chance)
    variance = (residual**2).sum() / total**2 * count / (count - 1)
    return float(stats.t.sf(excess / np.sqrt(variance), count - 1))


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's correction over one family [k]; NaN (no test) stays NaN and does not count.

    As statsmodels' `multipletests` computes it, which collects garbage at every call (50 ms).
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested])]
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def mcnemar_p(first: np.ndarray, second: np.ndarray) -> tuple[float, int, int]:
    """McNemar's exact test of two models on the same rows; both [n], true where the answer is right.

    Returns the two-sided p and the rows that only the first and only the second got right.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0, 0, 0
    return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue), only_first, only_second


def smallest_detectable(resampled: np.ndarray, confidence: float, comparisons: int) -> float:
    """The smallest true difference that a two-sided test of this precision sees with a power of 80 %.

    resampled [R]: bootstrap values of the difference, whose spread is its standard error; the level of the test is
    divided by the number of comparisons, as Holm's first step does.
    """
    level = (1 - confidence) / max(comparisons, 1)
    return float((stats.norm.isf(level / 2) + stats.norm.ppf(POWER)) * np.std(resampled, ddof=1))


class Correlation(NamedTuple):
    """Spearman's rho with its percentile interval, the two-sided permutation p, and the number of pairs."""

    rho: float
    low: float
    high: float
    p: float
    n: int


def spearman(x: np.ndarray, y: np.ndarray, settings: Settings) -> Correlation:
    """Rank correlation of two quantities over languages; x, y [n]. NaN below four pairs or without variation."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(np.nan, np.nan, np.nan, np.nan, len(x))
    rng, resamples = np.random.default_rng(settings.seed), settings.resamples
    ranks_x, ranks_y = stats.rankdata(x), stats.rankdata(y)
    rho = float(_correlations(ranks_x[None], ranks_y[None])[0])
    permuted = rng.permuted(np.tile(ranks_y, (resamples, 1)), axis=1)
    as_large = np.abs(_correlations(ranks_x[None], permuted)) >= abs(rho) - 1e-12
    drawn = rng.integers(0, len(x), size=(resamples, len(x)))
    resampled = _correlations(stats.rankdata(x[drawn], axis=1), stats.rankdata(y[drawn], axis=1))
    return Correlation(rho, *interval(resampled, settings.confidence), float((1 + as_large.sum()) / (1 + resamples)), len(x))


def partial_spearman(x: np.ndarray, y: np.ndarray, given: np.ndarray, settings: Settings) -> Correlation:
    """Rank correlation of two quantities where a third is the same; all [n]. NaN below five, or where nothing varies beside it.

    Pearson's r of what ranks of `given` leave of the ranks of x and y. The p permutes what is left of y (Freedman and Lane 1983),
    the interval resamples the n triples.
    """
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(given)
    x, y, given = (np.asarray(part, dtype=np.float64)[known] for part in (x, y, given))
    n, nothing = len(x), Correlation(np.nan, np.nan, np.nan, np.nan, int(known.sum()))
    if n < 5:
        return nothing
    rest_x, rest_y = (_without(stats.rankdata(part)[None], stats.rankdata(given)[None]) for part in (x, y))
    if np.ptp(rest_x) < 1e-9 or np.ptp(rest_y) < 1e-9:
        return nothing
    rho = float(_correlations(rest_x, rest_y)[0])
    rng = np.random.default_rng(settings.seed)
    permuted = _without(rng.permuted(np.tile(rest_y, (settings.resamples, 1)), axis=1), stats.rankdata(given)[None])
    as_large = np.abs(_correlations(rest_x, permuted)) >= abs(rho) - 1e-12
    drawn = rng.integers(0, n, size=(settings.resamples, n))
    ranks = [stats.rankdata(part[drawn], axis=1) for part in (x, y, given)]
    resampled = _correlations(_without(ranks[0], ranks[2]), _without(ranks[1], ranks[2]))
    ends = interval(resampled, settings.confidence)
    return Correlation(rho, *ends, float((1 + as_large.sum()) / (1 + settings.resamples)), n)


def _without(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """What a straight line in `given` leaves of the values of each row; both [R, n]."""
    values, given = values - values.mean(axis=1, keepdims=True), given - given.mean(axis=1, keepdims=True)
    scale = (given**2).sum(axis=1, keepdims=True)
    slope = np.divide((values * given).sum(axis=1, keepdims=True), scale, out=np.zeros_like(values[:, :1]), where=scale > 0)
    return values - slope * given


def detectable_correlation(n: int, comparisons: int, confidence: float) -> float:
    """The smallest |rho| that a two-sided test of n pairs calls clear, by Student's t; comparisons divide its level."""
    if n < 4:
        return float("nan")
    t = stats.t.isf((1 - confidence) / max(comparisons, 1) / 2, n - 2)
    return float(t / np.sqrt(n - 2 + t**2))


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each row; NaN where a row does not vary."""
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.divide((x * y).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0)


class Calibration(NamedTuple):
    """Expected calibration error with its interval, and the mean negative log-likelihood in nats."""

    error: float
    low: float
    high: float
    nll: float


def calibration(scores: np.ndarray, targets: np.ndarray, clusters: np.ndarray, settings: Settings) -> Calibration:
    """How far stated confidence is from accuracy, over the candidates alone.

    scores [n, k]: log-probabilities of the candidates, renormalised here; targets, clusters [n]. The interval is the basic
    bootstrap interval, cut at 0: resampling inflates an error that is a sum of absolute values, and reflecting the
    resampled values around the estimate takes that bias out again. Where nearly all of the estimate is such bias the
    reflected interval lies below it, and is widened to hold it.
    """
    log_probability = special.log_softmax(scores.astype(np.float64), axis=1)
    stated = np.exp(log_probability.max(axis=1))
    gap = stated - (log_probability.argmax(axis=1) == targets)
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    by_bin = cluster_sums(np.where(bins == np.arange(BINS)[:, None], gap, 0.0), clusters)  # [BINS, C]
    rows = cluster_sums(np.ones(len(targets)), clusters)
    error = float(np.abs(by_bin.sum(axis=1)).sum() / len(targets))
    weights = cluster_weights(len(rows), settings.resamples, settings.seed)
    resampled = np.abs(weights @ by_bin.T.astype(np.float32)).sum(axis=1) / (weights @ rows.astype(np.float32))
    low, high = interval(resampled.astype(np.float64), settings.confidence)
    nll = float(-log_probability[np.arange(len(targets)), targets].mean())
    return Calibration(error, max(0.0, 2 * error - high), max(error, 2 * error - low), nll)


def fit_temperature(scores: np.ndarray, targets: np.ndarray) -> float:
    """The temperature between 0.05 and 20 under which the targets are most likely. scores [n, k]; targets [n]."""

    def nll(log_temperature: float) -> float:
        scaled = special.log_softmax(scores.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(targets)), targets].mean())

    return float(np.exp(optimize.minimize_scalar(nll, bounds=(np.log(0.05), np.log(20)), method="bounded").x))
