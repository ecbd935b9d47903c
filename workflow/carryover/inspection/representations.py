"""How alike a model represents the same sentences in two languages.

Three measures of two sets of vectors, x and y [n, D], of which row i of both is one sentence: unbiased linear CKA (Kornblith et
al. 2019 with the estimator of Song et al. 2007, whose value for independent vectors is 0 on average and may be negative), the
cosine of vectors from which the mean of their own language was taken, and how often the nearest vector of the other language is
the translation. Each has a null: the same sentences in another order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CKA, COSINE, RETRIEVAL = "cka", "cosine", "retrieval"


class Similarity(NamedTuple):
    """A value with its standard error; null: its mean over shuffled pairs; p: one-sided, of a value so large among those."""

    value: float
    error: float
    null: float
    p: float


def similarities(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> dict[str, Similarity]:
    """The three measures by name. orders [P, n]: permutations under which y is read for the null."""
    alike = cosines(x, y)
    best = alike.argmax(axis=1)
    every = np.arange(len(x))
    return {
        CKA: _cka_with_null(x, y, orders),
        COSINE: _mean_with_null(alike[every, every], np.array([alike[every, order].mean() for order in orders])),
        RETRIEVAL: _mean_with_null((best == every).astype(float), np.array([(best == order).mean() for order in orders])),
    }


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cosine of each row of x with each of y, [n, m], each set centred by its own mean; 0 where a vector is none."""
    return _unit(x - x.mean(axis=0, dtype=np.float64)) @ _unit(y - y.mean(axis=0, dtype=np.float64)).T


def raw_cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cosine of the same rows of x and y, [n], without centring: what was published, and mostly what all vectors share."""
    return np.asarray((_unit(x.astype(np.float64)) * _unit(y.astype(np.float64))).sum(axis=-1))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased linear CKA of x [n, D] and y [n, E]; n at least 4. NaN where vectors do not vary."""
    first, second = centred_gram(x), centred_gram(y)
    return _ratio((first * second).sum(), (first * first).sum(), (second * second).sum())


def centred_gram(x: np.ndarray) -> np.ndarray:
    """The U-centred Gram matrix of x, [n, n], with a diagonal of zeros (Székely and Rizzo 2014, arXiv:1310.2926).

    The sum of the products of two of them is n (n - 3) times the unbiased estimate of HSIC.
    """
    x = x - x.mean(axis=0, dtype=np.float64)  # changes nothing but rounding
    gram, n = x @ x.T, len(x)
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=0)
    gram += sums.sum() / ((n - 1) * (n - 2)) - (sums[:, None] + sums[None, :]) / (n - 2)
    np.fill_diagonal(gram, 0.0)
    return gram


def _cka_with_null(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> Similarity:
    first, second = centred_gram(x), centred_gram(y)
    norms = (first * first).sum(), (second * second).sum()
    value = _ratio((first * second).sum(), *norms)
    single, other = first.astype(np.float32), second.astype(np.float32)
    shuffled = np.array([_ratio(float(np.vdot(single, other[np.ix_(order, order)])), *norms) for order in orders])
    left_out = _without_each(x, y)
    error = np.sqrt((len(x) - 1) * np.mean((left_out - left_out.mean()) ** 2))
    return Similarity(value, float(error), float(shuffled.mean()), _p(value, shuffled))


def _without_each(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """CKA without each row in turn, [n], for the jackknife (a bootstrap would count a row drawn twice as alike to itself)."""
    grams = []
    for vectors in (x, y):
        centred = vectors - vectors.mean(axis=0, dtype=np.float64)
        gram = centred @ centred.T
        np.fill_diagonal(gram, 0.0)
        grams.append(gram)
    first, second = grams
    both, one, two = (_hsic_without_each(a, b) for a, b in ((first, second), (first, first), (second, second)))
    scale = one * two
    return np.divide(both, np.sqrt(np.where(scale > 0, scale, 1.0)), out=np.full(len(x), np.nan), where=scale > 0)


def _hsic_without_each(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Song's estimate of HSIC, but for a factor, without each row in turn, [n]; Gram matrices [n, n] with zero diagonals."""
    n = len(first) - 1
    products = first * second
    a, b = first.sum(axis=0), second.sum(axis=0)
    trace = products.sum() - 2 * products.sum(axis=0)
    totals = (a.sum() - 2 * a) * (b.sum() - 2 * b)
    between = (a * b).sum() - a * b - first @ b - second @ a + products.sum(axis=0)
    return trace + totals / ((n - 1) * (n - 2)) - 2 * between / (n - 2)


def _ratio(product: float, first: float, second: float) -> float:
    scale = first * second
    return float(product / np.sqrt(scale)) if scale > 0 else float("nan")


def _mean_with_null(values: np.ndarray, shuffled: np.ndarray) -> Similarity:
    value = float(values.mean())
    return Similarity(value, float(values.std(ddof=1) / np.sqrt(len(values))), float(shuffled.mean()), _p(value, shuffled))


def _p(value: float, shuffled: np.ndarray) -> float:
    return float((1 + (shuffled >= value - 1e-12).sum()) / (1 + len(shuffled)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors, dtype=np.float64), where=norms > 0)
