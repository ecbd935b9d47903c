"""The statistics against scipy, statsmodels, a bootstrap written as a loop, and simulated coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from carryover.analysis import statistics


def clustered(rng: np.random.Generator, premises: int, spread: float, share: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of rows in threes whose chance of being right varies by premise; and the rows' premises."""
    chance = np.clip(share + spread * rng.standard_normal(premises), 0, 1)
    return (rng.random((premises, 3)) < chance[:, None]).ravel(), np.repeat(np.arange(premises), 3)


def test_resamples_match_a_loop_over_drawn_premises():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 5, 40)  # premises of unequal size
    premises = np.repeat(np.arange(40), sizes)
    correct = rng.random(len(premises)) < 0.5
    rows = statistics.premise_sums(np.ones(len(premises)), premises)
    fast = statistics.resampled_means(statistics.premise_sums(correct[None], premises), rows, 4000, 0)
    weights = statistics.premise_weights(40, 4000, 0)
    for draw in range(20):  # the same draw, row by row
        drawn = np.concatenate([np.tile(correct[premises == premise], int(times)) for premise, times in enumerate(weights[draw])])
        assert fast[draw] == pytest.approx(drawn.mean(), abs=1e-6)
    slow = [np.concatenate([correct[premises == premise] for premise in rng.integers(0, 40, 40)]).mean() for _ in range(4000)]
    assert np.quantile(fast, [0.025, 0.975]) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.015)
    assert (weights.sum(axis=1) == 40).all()


def test_single_row_premises_agree_with_scipy():
    correct = np.random.default_rng(2).random(300) < 0.4
    resampled = statistics.resampled_means(correct[None].astype(float), np.ones(300), 5000, 0)
    theirs = stats.bootstrap((correct,), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert statistics.interval(resampled, 0.95) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_premises_widen_the_interval_of_rows_that_go_together():
    rows = np.repeat(np.random.default_rng(3).random(200) < 0.5, 3)
    premises = np.repeat(np.arange(200), 3)
    sums, counts = statistics.premise_sums(rows[None], premises), np.full(200, 3.0)
    low, high = statistics.interval(statistics.resampled_means(sums, counts, 2000, 0), 0.95)
    single = statistics.interval(statistics.resampled_means(rows[None].astype(float), np.ones(600), 2000, 0), 0.95)
    assert (high - low) / (single[1] - single[0]) == pytest.approx(np.sqrt(3), rel=0.12)


def test_seeds_add_their_spread():
    rng = np.random.default_rng(4)
    correct = np.stack([rng.random(900) < share for share in (0.4, 0.5, 0.6)])
    premises = np.repeat(np.arange(300), 3)
    sums, rows = statistics.premise_sums(correct, premises), np.full(300, 3.0)
    three = statistics.resampled_means(sums, rows, 4000, 0)
    one = statistics.resampled_means(sums[:1], rows, 4000, 0)
    assert three.mean() == pytest.approx(correct.mean(), abs=0.01)
    expected = correct.mean(axis=1).var() / 3 + one.var() / 3  # seeds, and premises answered independently
    assert three.var() == pytest.approx(expected, rel=0.25)
    assert not np.array_equal(three, statistics.resampled_means(sums, rows, 4000, 0, stream=1))


def test_clustered_p_is_statsmodels_cluster_robust_t():
    correct, premises = clustered(np.random.default_rng(5), 120, 0.3)
    fitted = sm.OLS(correct - 1 / 3, np.ones(len(correct))).fit(cov_type="cluster", cov_kwds={"groups": premises}, use_t=True)
    theirs = stats.t.sf(fitted.tvalues[0], 119)
    rows = statistics.premise_sums(np.ones(len(correct)), premises)
    assert statistics.clustered_p(statistics.premise_sums(correct, premises), rows, 1 / 3) == pytest.approx(theirs, rel=1e-9)


def test_answers_without_variation_between_premises():
    rows = np.full(50, 3.0)
    assert statistics.clustered_p(np.ones(50), rows, 1 / 3) == 1  # one label to everything: never above chance
    assert statistics.clustered_p(rows, rows, 1 / 3) == stats.binomtest(150, 150, 1 / 3, alternative="greater").pvalue


def test_holm_ignores_what_was_not_tested():
    adjusted = statistics.holm(np.array([0.01, np.nan, 0.03, 0.02]))
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(statistics.holm(np.array([np.nan]))).all()


def test_mcnemar_is_statsmodels():
    rng = np.random.default_rng(6)
    first, second = rng.random(200) < 0.6, rng.random(200) < 0.5
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    p, only_first, only_second = statistics.mcnemar_p(first, second)
    assert (p, only_first, only_second) == (pytest.approx(mcnemar(table, exact=True).pvalue), table[0][1], table[1][0])
    assert statistics.mcnemar_p(first, first) == (1.0, 0, 0)


def test_smallest_detectable_difference_is_detected_four_times_in_five():
    rng = np.random.default_rng(7)
    error = 0.02
    least = statistics.smallest_detectable(rng.normal(0, error, 200_000), 0.95, 1)
    seen = np.abs(rng.normal(least, error, 200_000) / error) > stats.norm.isf(0.025)
    assert seen.mean() == pytest.approx(0.8, abs=0.01)
    assert statistics.smallest_detectable(rng.normal(0, error, 1000), 0.95, 7) > least


def test_spearman_is_scipy():
    rng = np.random.default_rng(8)
    x = rng.normal(size=14)
    y = np.round(x + rng.normal(size=14), 1)  # with ties
    y[3] = y[5]
    found = statistics.spearman(x, y, 0.95, 20_000, 0)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    assert found.low < found.rho < found.high <= 1
    assert np.isnan(statistics.spearman(x[:3], y[:3], 0.95, 100, 0).rho)
    assert np.isnan(statistics.spearman(x, np.ones(14), 0.95, 100, 0).p)
    assert statistics.spearman(np.r_[x, np.nan], np.r_[y, 1], 0.95, 100, 0).n == 14


def test_calibration_error_matches_a_loop_over_bins():
    rng = np.random.default_rng(9)
    scores, labels = rng.normal(size=(600, 3)), rng.integers(0, 3, 600)
    probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    stated, right = probability.max(axis=1), probability.argmax(axis=1) == labels
    expected = 0.0
    for place in range(statistics.BINS):
        inside = (stated >= place / statistics.BINS) & (stated < (place + 1) / statistics.BINS)
        if inside.any():
            expected += inside.mean() * abs(stated[inside].mean() - right[inside].mean())
    found = statistics.calibration(scores, labels, np.repeat(np.arange(200), 3), 0.95, 1000, 0)
    assert found.error == pytest.approx(expected)
    assert found.low <= found.error <= found.high
    assert found.nll == pytest.approx(-np.log(probability[np.arange(600), labels]).mean())


def test_temperature_is_found_again():
    rng = np.random.default_rng(10)
    true = rng.normal(size=(20_000, 3))
    labels = np.array([rng.choice(3, p=row) for row in np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)])
    assert statistics.fit_temperature(3 * true, labels) == pytest.approx(3, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_intervals_cover_and_the_test_keeps_its_level(spread):
    rng = np.random.default_rng(11)
    covered, rejected, runs = 0, 0, 3000
    truth = np.clip(0.4 + spread * np.random.default_rng(0).standard_normal(1_000_000), 0, 1).mean()
    rows = np.full(300, 3.0)
    for _ in range(runs):
        correct, premises = clustered(rng, 300, spread)
        sums = statistics.premise_sums(correct[None], premises)
        low, high = statistics.interval(statistics.resampled_means(sums, rows, 1000, 0), 0.95)
        covered += low <= truth <= high
        rejected += statistics.clustered_p(sums[0], rows, truth) < 0.05
    assert 0.93 <= covered / runs <= 0.97
    assert 0.035 <= rejected / runs <= 0.065
