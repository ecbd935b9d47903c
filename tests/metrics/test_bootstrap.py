"""The clustered bootstrap against a loop, scipy, and simulations whose truth is planted."""

import numpy as np
import pytest
from scipy import stats

from carryover.metrics import accuracy
from carryover.metrics.bootstrap import (
    Settings,
    cluster_sums,
    cluster_weights,
    interval,
    paired_p,
    resampled_statistics,
    resampled_values,
)


def clustered(rng: np.random.Generator, clusters: int, spread: float, share: float = 0.4) -> np.ndarray:
    """Right or wrong of rows in threes whose chance of being right varies by cluster, [3 C]."""
    chance = np.clip(share + spread * rng.standard_normal(clusters), 0, 1)
    return (rng.random((clusters, 3)) < chance[:, None]).ravel()


def accuracy_sums(right: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Right answers and rows by seed and cluster, [S, C, 2]; right [S, n]."""
    both = np.stack([right, np.ones(right.shape)], axis=1)
    return cluster_sums(both, clusters).transpose(0, 2, 1)


def resampled(right: np.ndarray, clusters: np.ndarray, resamples: int, stream: int = 0) -> np.ndarray:
    return resampled_values(accuracy_sums(right, clusters), accuracy.value, Settings(0.95, resamples, 0), stream)


def test_resamples_match_a_loop_over_drawn_clusters():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 5, 40)  # clusters of unequal size
    clusters = np.repeat(np.arange(40), sizes)
    right = rng.random(len(clusters)) < 0.5
    fast = resampled(right[None], clusters, 4000)
    weights = cluster_weights(40, 4000, 0)
    for draw in range(20):  # the same draw, row by row
        drawn = np.concatenate([np.tile(right[clusters == cluster], int(times)) for cluster, times in enumerate(weights[draw])])
        assert fast[draw] == pytest.approx(drawn.mean(), abs=1e-6)
    slow = [np.concatenate([right[clusters == cluster] for cluster in rng.integers(0, 40, 40)]).mean() for _ in range(4000)]
    assert np.quantile(fast, [0.025, 0.975]) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.015)
    assert (weights.sum(axis=1) == 40).all()


def test_clusters_of_one_row_agree_with_scipy():
    right = np.random.default_rng(2).random(300) < 0.4
    theirs = stats.bootstrap((right,), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert interval(resampled(right[None], np.arange(300), 5000), 0.95) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_clusters_widen_the_interval_of_rows_that_go_together():
    right = np.repeat(np.random.default_rng(3).random(200) < 0.5, 3)
    low, high = interval(resampled(right[None], np.repeat(np.arange(200), 3), 2000), 0.95)
    single = interval(resampled(right[None], np.arange(600), 2000), 0.95)
    assert (high - low) / (single[1] - single[0]) == pytest.approx(np.sqrt(3), rel=0.12)


def test_seeds_add_their_spread():
    rng = np.random.default_rng(4)
    right = np.stack([rng.random(900) < share for share in (0.4, 0.5, 0.6)])
    clusters = np.repeat(np.arange(300), 3)
    three, one = resampled(right, clusters, 4000), resampled(right[:1], clusters, 4000)
    assert three.mean() == pytest.approx(right.mean(), abs=0.01)
    expected = right.mean(axis=1).var() / 3 + one.var() / 3  # seeds, and clusters answered independently
    assert three.var() == pytest.approx(expected, rel=0.25)
    assert not np.array_equal(three, resampled(right, clusters, 4000, stream=1))


def test_a_statistic_of_rows_sees_the_draws_that_sums_see():
    rng = np.random.default_rng(5)
    clusters, right = np.repeat(np.arange(30), 3), rng.random((2, 90)) < 0.5
    settings = Settings(0.95, 200, 0)
    by_rows = resampled_statistics(lambda seed, rows: right[seed, rows].mean(), 2, clusters, settings, stream=3)
    assert by_rows == pytest.approx(resampled(right, clusters, 200, stream=3), abs=1e-12)


def test_the_interval_of_a_median_covers_the_planted_one():
    """A metric without sums. Rows of one cluster share a part, so rows alone would promise too much."""
    rng, clusters, runs, settings = np.random.default_rng(6), np.repeat(np.arange(60), 3), 200, Settings(0.95, 200, 0)
    covered = 0
    for _ in range(runs):
        values = np.repeat(rng.standard_normal(60), 3) + rng.standard_normal(180)

        def median(seed: int, rows: np.ndarray, values=values) -> float:
            return float(np.median(values[rows]))

        low, high = interval(resampled_statistics(median, 1, clusters, settings), 0.95)
        covered += low <= 0 <= high
    assert 0.9 <= covered / runs <= 0.99


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_intervals_cover_the_planted_accuracy(spread):
    rng, runs = np.random.default_rng(11), 1500
    truth = np.clip(0.4 + spread * np.random.default_rng(0).standard_normal(1_000_000), 0, 1).mean()
    clusters, covered = np.repeat(np.arange(300), 3), 0
    for _ in range(runs):
        low, high = interval(resampled(clustered(rng, 300, spread)[None], clusters, 500), 0.95)
        covered += low <= truth <= high
    assert 0.93 <= covered / runs <= 0.97


def test_the_paired_test_keeps_its_level_and_sees_a_difference():
    """Two systems as good as each other, right on much the same clusters: rejected in 5 % of the studies."""
    rng, runs = np.random.default_rng(12), 1000
    clusters, rejected, seen = np.repeat(np.arange(150), 3), 0, 0
    for _ in range(runs):
        chance = np.repeat(np.clip(0.4 + 0.3 * rng.standard_normal(150), 0, 1), 3)
        first, second, better = (rng.random(450) < chance + gain for gain in (0, 0, 0.1))
        for system, other in ((first, second), (better, second)):
            difference = system.mean() - other.mean()
            drawn = resampled(system[None], clusters, 400) - resampled(other[None], clusters, 400)
            seen += other is second and system is better and paired_p(difference, drawn) < 0.05
            rejected += system is first and paired_p(difference, drawn) < 0.05
    assert 0.035 <= rejected / runs <= 0.07
    assert seen / runs > 0.8


def test_what_cannot_be_tested_has_no_p():
    assert np.isnan(paired_p(np.nan, np.zeros(10)))
    assert paired_p(0.0, np.zeros(10)) == 1
    assert interval(np.full(5, np.nan), 0.95) == pytest.approx((np.nan, np.nan), nan_ok=True)
