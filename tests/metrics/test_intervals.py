"""Every metric's interval covers a planted truth, and its paired test keeps its level where two systems are alike."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from carryover.metrics import accuracy, bits_per_byte, chrf, entity_f1, macro_f1, perplexity
from carryover.metrics.bootstrap import Settings, cluster_sums, interval, paired_p, resampled_values

POPULATION, CLUSTERS, PER_CLUSTER = 2000, 80, 3
SETTINGS = Settings(0.95, 300, 0)


def hardness(rng: np.random.Generator, clusters: int) -> np.ndarray:
    """What the rows of a cluster share, [n]."""
    return np.repeat(rng.standard_normal(clusters), PER_CLUSTER)


def answers(rng: np.random.Generator, target: np.ndarray, others: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """The target with a chance that goes with the cluster, else one of the others."""
    return np.where(rng.random(len(target)) < 1 / (1 + np.exp(hard - 0.3)), target, others)


def choices(rng: np.random.Generator, target: np.ndarray, hard: np.ndarray) -> dict[str, np.ndarray]:
    return {"predicted": answers(rng, target, rng.integers(0, 3, len(target)), hard)}


def tags(rng: np.random.Generator, target: np.ndarray, hard: np.ndarray) -> dict[str, np.ndarray]:
    return {"predicted": answers(rng, target, rng.choice(["O", "B-PER", "I-PER"], len(target)), hard)}


def texts(rng: np.random.Generator, target: np.ndarray, hard: np.ndarray) -> dict[str, np.ndarray]:
    letters = rng.random((len(target), 8)) < 1 / (1 + np.exp(hard - 0.3))[:, None]
    said = [
        "".join(a if keep else "_" for a, keep in zip(text, kept, strict=True))
        for text, kept in zip(target, letters, strict=True)
    ]
    return {"predicted": np.array(said)}


def likelihoods(rng: np.random.Generator, target: np.ndarray, hard: np.ndarray) -> dict[str, np.ndarray]:
    return {"nats": rng.gamma(2.0, np.exp(0.3 * hard)) * target, "tokens": target, "bytes": 4 * target}


def gold(metric: ModuleType, rng: np.random.Generator, n: int) -> np.ndarray:
    if metric is chrf:
        return np.array(["".join(rng.choice(list("abcd"), 8)) for _ in range(n)])
    if metric is entity_f1:
        return np.tile(["B-PER", "I-PER", "O"], n // 3)
    return rng.integers(1, 9, n) if metric in (perplexity, bits_per_byte) else rng.choice(3, n, p=[0.6, 0.3, 0.1])


ANSWERS = {
    **{accuracy: choices, macro_f1: choices, entity_f1: tags},
    **{chrf: texts, perplexity: likelihoods, bits_per_byte: likelihoods},
}


def population(metric: ModuleType, rng: np.random.Generator) -> np.ndarray:
    """The sums by cluster of two systems of one skill on the same rows, [2, C, k]."""
    cluster, hard = np.repeat(np.arange(POPULATION), PER_CLUSTER), hardness(rng, POPULATION)
    target = gold(metric, rng, len(cluster))
    found = []
    for _ in range(2):
        rows = pd.DataFrame({"id": cluster, "cluster": cluster, "target": target, **ANSWERS[metric](rng, target, hard)})
        found.append(cluster_sums(metric.sums(rows).T, cluster).T)
    return np.stack(found)


@pytest.mark.parametrize("metric", ANSWERS, ids=lambda metric: metric.__name__.rsplit(".", 1)[1])
def test_coverage_and_level(metric):
    """Studies draw their clusters from a population, whose value is the truth; which system is which is drawn by cluster."""
    rng, runs = np.random.default_rng(1), 800
    everyone = population(metric, rng)
    truth, covered, rejected = metric.value(everyone.mean(axis=0).sum(axis=0)), 0, 0
    for _ in range(runs):
        drawn, which = rng.integers(0, POPULATION, CLUSTERS), rng.integers(0, 2, CLUSTERS)
        first, second = everyone[which, drawn], everyone[1 - which, drawn]
        resampled = [resampled_values(sums[None], metric.value, SETTINGS) for sums in (first, second)]
        low, high = interval(resampled[0], 0.95)
        covered += low <= truth <= high
        difference = float(metric.value(first.sum(axis=0)) - metric.value(second.sum(axis=0)))
        rejected += paired_p(difference, resampled[0] - resampled[1]) < 0.05
    print(f"covered {covered / runs:.3f}, rejected {rejected / runs:.3f}")
    assert 0.92 <= covered / runs <= 0.975
    assert 0.03 <= rejected / runs <= 0.075
