"""The tests of the study against scipy and statsmodels, and their level in simulations."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from carryover.analysis import statistics
from carryover.metrics.bootstrap import Settings, cluster_sums

FEW = Settings(0.95, 100, 0)


def clustered(rng: np.random.Generator, premises: int, spread: float, share: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of rows in threes whose chance of being right varies by premise; and the rows' premises."""
    chance = np.clip(share + spread * rng.standard_normal(premises), 0, 1)
    return (rng.random((premises, 3)) < chance[:, None]).ravel(), np.repeat(np.arange(premises), 3)


def test_clustered_p_is_statsmodels_cluster_robust_t():
    correct, premises = clustered(np.random.default_rng(5), 120, 0.3)
    fitted = sm.OLS(correct - 1 / 3, np.ones(len(correct))).fit(cov_type="cluster", cov_kwds={"groups": premises}, use_t=True)
    theirs = stats.t.sf(fitted.tvalues[0], 119)
    rows = cluster_sums(np.ones(len(correct)), premises)
    assert statistics.clustered_p(cluster_sums(correct, premises), rows, 1 / 3) == pytest.approx(theirs, rel=1e-9)


def test_answers_without_variation_between_premises():
    rows = np.full(50, 3.0)
    assert statistics.clustered_p(np.ones(50), rows, 1 / 3) == 1  # one label to everything: never above chance
    assert statistics.clustered_p(rows, rows, 1 / 3) == stats.binomtest(150, 150, 1 / 3, alternative="greater").pvalue


def test_holm_ignores_what_was_not_tested():
    adjusted = statistics.holm(np.array([0.01, np.nan, 0.03, 0.02]))
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(statistics.holm(np.array([np.nan]))).all()


def test_holm_is_statsmodels():
    rng = np.random.default_rng(8)
    for count in (1, 2, 14):
        p_values = np.round(rng.random(count), 2)  # with ties
        assert statistics.holm(p_values).tolist() == multipletests(p_values, method="holm")[1].tolist()


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
    found = statistics.spearman(x, y, Settings(0.95, 20_000, 0))
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    assert found.low < found.rho < found.high <= 1
    assert np.isnan(statistics.spearman(x[:3], y[:3], FEW).rho)
    assert np.isnan(statistics.spearman(x, np.ones(14), FEW).p)
    assert statistics.spearman(np.r_[x, np.nan], np.r_[y, 1], FEW).n == 14


def test_partial_correlation_is_that_of_the_three_correlations():
    rng = np.random.default_rng(3)
    given = rng.normal(size=40)
    x, y = given + rng.normal(size=40), given + rng.normal(size=40)
    found = statistics.partial_spearman(x, y, given, Settings(0.95, 4000, 0))
    xy, xz, yz = (stats.spearmanr(*pair).statistic for pair in ((x, y), (x, given), (y, given)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert found.rho == pytest.approx(expected) and found.n == 40
    t = expected * np.sqrt(37 / (1 - expected**2))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 37), abs=0.03)
    assert found.low < found.rho < found.high
    assert np.isnan(statistics.partial_spearman(x, given, given, FEW).rho)
    assert np.isnan(statistics.partial_spearman(x[:4], y[:4], given[:4], FEW).rho)


def test_what_only_a_third_quantity_makes_alike_is_no_partial_correlation():
    rng, found = np.random.default_rng(4), []
    for _ in range(100):
        given = rng.normal(size=14)
        x, y = given + 0.6 * rng.normal(size=14), given + 0.6 * rng.normal(size=14)
        found.append(statistics.partial_spearman(x, y, given, Settings(0.95, 99, 0)))
    assert abs(np.mean([one.rho for one in found])) < 0.1 and np.mean([one.p < 0.05 for one in found]) < 0.12


def test_the_smallest_detectable_correlation_is_just_significant():
    least = statistics.detectable_correlation(14, 1, 0.95)
    assert 2 * stats.t.sf(least * np.sqrt(12 / (1 - least**2)), 12) == pytest.approx(0.05)
    assert statistics.detectable_correlation(14, 6, 0.95) == pytest.approx(0.67, abs=0.01)
    assert np.isnan(statistics.detectable_correlation(3, 1, 0.95))


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
    found = statistics.calibration(scores, labels, np.repeat(np.arange(200), 3), Settings(0.95, 1000, 0))
    assert found.error == pytest.approx(expected)
    assert found.low <= found.error <= found.high
    assert found.nll == pytest.approx(-np.log(probability[np.arange(600), labels]).mean())


def test_temperature_is_found_again():
    rng = np.random.default_rng(10)
    true = rng.normal(size=(20_000, 3))
    labels = np.array([rng.choice(3, p=row) for row in np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)])
    assert statistics.fit_temperature(3 * true, labels) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_clustered_test_keeps_its_level(spread):
    rng, rejected, runs = np.random.default_rng(11), 0, 3000
    truth = np.clip(0.4 + spread * np.random.default_rng(0).standard_normal(1_000_000), 0, 1).mean()
    for _ in range(runs):
        correct, premises = clustered(rng, 300, spread)
        rejected += statistics.clustered_p(cluster_sums(correct, premises), np.full(300, 3.0), truth) < 0.05
    assert 0.035 <= rejected / runs <= 0.065
