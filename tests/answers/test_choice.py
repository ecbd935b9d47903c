"""Scores against the plain algorithm: one example at a time, logits over the whole vocabulary, log_softmax."""

import dataclasses

import numpy as np
import pytest
import torch

from carryover.answers.choice import Scores, batches, criterion, predictions, score
from carryover.data.prompts import XNLIDataset
from carryover.models import batching
from carryover.models.packing import pack_trees


def reordered(data: XNLIDataset, order: np.ndarray) -> XNLIDataset:
    prompts = [data.sequence(row) for row in order]
    rows = {name: getattr(data, name)[order] for name in ("targets", "row_ids", "clusters")}
    offsets = np.cumsum([0, *map(len, prompts)])
    return XNLIDataset(ids=np.concatenate(prompts), offsets=offsets, candidates=data.candidates, **rows)


@torch.no_grad()
def plain(model: torch.nn.Module, data: XNLIDataset) -> Scores:
    """transformers' model, row by row."""
    logp, greedy = [], []
    for row in range(len(data)):
        logits = model(torch.from_numpy(data.sequence(row).astype(np.int64))[None]).logits[0, -1]
        logp.append(logits.double().log_softmax(dim=0)[data.candidates].numpy())
        greedy.append(int(logits.argmax()))
    return Scores(np.array(logp), np.array(greedy))


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_the_plain_algorithms(make_model, make_prompts, twin, seed):
    model, data = make_model(seed), make_prompts(25, seed)
    expected, scores = plain(twin(model), data), score(model, data, "fp32")
    assert scores.logp.shape == (len(data), 3) and scores.logp.dtype == np.float32
    assert np.abs(scores.logp - expected.logp).max() < 1e-5
    assert np.array_equal(scores.greedy, expected.greedy)
    assert np.ptp(expected.logp) > 1 and len(set(expected.greedy)) > 5  # rows that differ, so that mixing them up shows


@pytest.mark.parametrize("grid", [1, 40, 300, 10**6])
def test_batch_budget_changes_nothing(make_model, make_prompts, monkeypatch, grid):
    model, data = make_model(), make_prompts(25)
    expected = score(model, data, "fp32")
    monkeypatch.setattr(batching, "GRID", grid)
    scores = score(model, data, "fp32")
    assert np.abs(scores.logp - expected.logp).max() < 1e-5
    assert np.array_equal(scores.greedy, expected.greedy)


def test_order_of_rows_changes_nothing(make_model, make_prompts):
    model, data = make_model(), make_prompts(25)
    order = np.random.default_rng(7).permutation(len(data))
    expected, scores = score(model, data, "fp32"), score(model, reordered(data, order), "fp32")
    assert np.abs(scores.logp - expected.logp[order]).max() < 1e-5
    assert np.array_equal(scores.greedy, expected.greedy[order])


def test_wrong_clusters_change_nothing(make_model, make_prompts):
    """What rows share is read off their tokens: a cluster is a hint of where to look, and files may reuse it."""
    model, data = make_model(), make_prompts(12)
    expected = score(model, data, "fp32")
    for ids in (np.zeros(len(data), int), np.arange(len(data)), np.arange(len(data)) % 5):
        scores = score(model, dataclasses.replace(data, clusters=ids), "fp32")
        assert np.abs(scores.logp - expected.logp).max() < 1e-5


def test_dropout_is_off(make_model, make_prompts):
    data = make_prompts(5)
    expected = score(make_model(), data, "fp32")
    assert np.array_equal(score(make_model(dropout=0.5).train(), data, "fp32").logp, expected.logp)


def test_bf16_is_near_fp32(make_model, make_prompts):
    model, data = make_model(), make_prompts(10)
    exact, rounded = score(model, data, "fp32").logp, score(model, data, "bf16").logp
    assert 0 < np.abs(exact - rounded).max() < 0.1


@pytest.mark.parametrize("grid", [1, 60, 200, 10**6])
def test_batches_cover_every_row_once_within_the_budget(make_prompts, grid):
    data = make_prompts(40)
    premises, seen = [], []
    for batch in batches(data, grid):
        for group in batch:
            assert len(set(data.clusters[group])) == 1
            premises.append(data.clusters[group[0]])
            seen.extend(group)
        layout = pack_trees([[data.sequence(row) for row in group] for group in batch]).layout
        assert layout.rows * layout.width <= grid or len(batch) == 1
    assert sorted(seen) == list(range(len(data)))
    assert sorted(premises) == sorted(set(data.clusters))  # no premise is computed twice
    if grid == 10**6:
        assert len(list(batches(data, grid))) == 1


def test_criterion_is_accuracy_over_the_candidates(make_prompts):
    logp = np.log([[0.2, 0.1, 0.05], [0.1, 0.3, 0.2], [0.1, 0.1, 0.4], [0.3, 0.2, 0.1]])
    data = dataclasses.replace(make_prompts(4), targets=np.array([0, 1, 0, 2]))
    assert criterion(data, Scores(logp, np.zeros(4))) == 0.5


def test_columns_of_predictions(make_prompts):
    data = make_prompts(3)
    first, second, third = data.candidates  # in another order than their ids
    greedy = np.resize([third, 5, first, second], len(data)).astype(np.int32)
    logp = -np.random.default_rng(0).random((len(data), 3)).astype(np.float32)
    table = predictions(data, Scores(logp, greedy))
    assert list(table) == ["id", "cluster", "target", "logp_0", "logp_1", "logp_2", "greedy", "greedy_label"]
    assert np.array_equal(table["greedy_label"], np.resize([2, -1, 0, 1], len(data)))
    assert np.array_equal(table["greedy"], greedy)
    assert np.array_equal(np.stack([table["logp_0"], table["logp_1"], table["logp_2"]], 1), logp)
    for column, name in (("id", "row_ids"), ("cluster", "clusters"), ("target", "targets")):
        assert np.array_equal(table[column], getattr(data, name))
