"""Similarities against the formulas written out, and their nulls."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from carryover.inspection.representations import (
    CKA,
    COSINE,
    RETRIEVAL,
    _without_each,
    cka,
    cosines,
    raw_cosine,
    similarities,
)


def song(x, y):
    """Equation 5 of Song et al. 2012, of Gram matrices whose diagonals are zero."""
    n, one = len(x), np.ones(len(x))
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    terms = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return terms / (n * (n - 3))


def expected_cka(x, y):
    return song(x, y) / np.sqrt(song(x, x) * song(y, y))


def related(n=30, width=9, noise=0.5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, width)).astype(np.float32)
    return x, (x + noise * rng.normal(size=(n, width))).astype(np.float32)


def orders(n, count=199):
    return np.random.default_rng(1).permuted(np.tile(np.arange(n), (count, 1)), axis=1)


def test_cka_is_songs_estimate():
    x, y = related()
    assert cka(x, y) == pytest.approx(expected_cka(x.astype(float), y.astype(float)), abs=1e-6)
    assert cka(x, x) == pytest.approx(1) and cka(x, 7 * x[:, ::-1] + 100) == pytest.approx(1, abs=1e-5)
    assert similarities(x, y, orders(30))[CKA].value == pytest.approx(cka(x, y))
    assert np.isnan(cka(np.ones((5, 2)), x[:5]))


def test_its_standard_error_is_that_of_the_jackknife():
    x, y = related(n=12)
    every = np.arange(12)
    expected = [expected_cka(x[every != out].astype(float), y[every != out].astype(float)) for out in every]
    np.testing.assert_allclose(_without_each(x, y), expected, atol=1e-5)


def test_independent_vectors_are_not_alike_however_wide():
    """The biased estimate is .86 here; the unbiased one is as often below 0 as above it, and is not cut."""
    rng = np.random.default_rng(0)
    found = [cka(rng.normal(size=(60, 576)), rng.normal(size=(60, 576))) for _ in range(60)]
    assert abs(np.mean(found)) < 0.01 and 10 < sum(value < 0 for value in found) < 50


def test_cosines_and_retrieval_are_those_of_centred_vectors():
    x, y = related()
    x += 50  # one direction that all vectors share, which makes raw cosines of any two nearly 1
    y += 50
    expected = 1 - cdist(x - x.mean(axis=0), y - y.mean(axis=0), "cosine")
    np.testing.assert_allclose(cosines(x, y), expected, atol=1e-4)
    assert raw_cosine(x, y[::-1]).min() > 0.98
    found = similarities(x, y, orders(30))
    assert found[COSINE].value == pytest.approx(np.diag(expected).mean(), abs=1e-4)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(y - y.mean(axis=0))
    right = nearest.kneighbors(x - x.mean(axis=0))[1][:, 0] == np.arange(30)
    assert found[RETRIEVAL].value == pytest.approx(right.mean())
    assert all(one.p == pytest.approx(1 / 200) for one in found.values())


@pytest.mark.parametrize("measure", [CKA, COSINE, RETRIEVAL])
def test_shuffled_pairs_are_the_null_and_its_p_is_uniform(measure):
    """Of independent vectors p is below .2 in a fifth of the cases (retrieval, with few values, in fewer)."""
    rng, p, null = np.random.default_rng(0), [], []
    for _ in range(150):
        found = similarities(rng.normal(size=(20, 6)), rng.normal(size=(20, 6)), orders(20, 49))[measure]
        p.append(found.p)
        null.append(found.null)
    assert 0.02 < np.mean(np.array(p) <= 0.2) < 0.3
    assert np.mean(null) == pytest.approx(1 / 20 if measure == RETRIEVAL else 0, abs=0.01)
