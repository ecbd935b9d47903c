"""Which rows a subset takes: the head or a draw, a share or a count."""

import pandas as pd
import pytest

from carryover.data.subsets import draw_clusters, take_subset
from carryover.runtime.errors import BadInput


@pytest.fixture
def thousand() -> pd.DataFrame:
    return pd.DataFrame({"premise": [f"p{k}" for k in range(1000)], "k": range(1000)})


@pytest.mark.parametrize(("size", "count"), [(1.0, 1000), (0.5, 500), (0.0109, 10), (0.29, 290), (1, 1), (7, 7), (1000, 1000)])
@pytest.mark.parametrize("seed", [None, 0])
def test_a_subset_is_a_share_or_a_count(thousand, size, count, seed):
    taken = take_subset(thousand, size, seed)
    assert len(taken) == count
    assert taken.index.tolist() == list(range(count))
    assert taken["k"].is_monotonic_increasing and taken["k"].is_unique


@pytest.mark.parametrize("share", [0.07, 0.14, 0.28, 0.29, 0.55, 0.57, 0.58])
def test_a_share_of_a_hundred_rows_is_that_many_percent(thousand, share):
    """None of these is a binary fraction, and the product of some falls just short of the whole number."""
    assert len(take_subset(thousand.head(100), share, None)) == round(100 * share)


def test_one_percent_of_the_published_rows_is_what_was_published():
    rows = pd.DataFrame({"k": range(392_702)})
    assert len(take_subset(rows, 0.01, None)) == 3927


def test_without_a_seed_it_is_the_head_and_with_one_it_is_drawn(thousand):
    assert take_subset(thousand, 20, None)["k"].tolist() == list(range(20))
    draws = [take_subset(thousand, 20, seed)["k"].tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0] != list(range(20))
    many = pd.concat([take_subset(thousand, 100, seed) for seed in range(40)])
    assert 450 < many["k"].mean() < 550  # from the whole file, not from its head


def test_a_draw_is_the_same_rows_in_every_language(thousand):
    other = thousand.assign(premise="text of another language")
    assert take_subset(thousand, 50, 3)["k"].tolist() == take_subset(other, 50, 3)["k"].tolist()


@pytest.mark.parametrize("size", [1001, 0, 0.0001])
def test_a_subset_that_there_is_not_is_refused(thousand, size):
    with pytest.raises(BadInput, match="subset"):
        take_subset(thousand, size, None)


def test_whole_clusters_are_drawn_the_same_in_every_language():
    table = pd.DataFrame({"id": range(90), "cluster": [k // 3 for k in range(90)]})
    drawn = draw_clusters(table, 30, 0)
    assert len(drawn) == 30 and drawn.groupby("cluster").size().eq(3).all() and drawn["id"].is_monotonic_increasing
    other = table.sample(frac=1, random_state=1)
    assert set(draw_clusters(other, 30, 0)["id"]) == set(drawn["id"])  # another order of rows
    lacking = draw_clusters(table[table["cluster"] != drawn["cluster"][0]], 30, 0)  # a language without one of them
    assert len(set(lacking["cluster"]) & set(drawn["cluster"])) == 9
    assert set(drawn["cluster"]) < set(draw_clusters(table, 31, 0)["cluster"])  # at least, and a smaller draw is in a larger one
    assert set(draw_clusters(table, 30, 1)["cluster"]) != set(drawn["cluster"])
    assert len(draw_clusters(table, 90, 0)) == 90
    with pytest.raises(BadInput, match="evaluation_rows: 91 asked for of 90"):
        draw_clusters(table, 91, 0)
