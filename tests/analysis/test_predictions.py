"""Files of predictions of three kinds of answers, and the sums and resamples of their cells."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from answers import FULL, LABELS, TEST, cell, choices, tags, write
from carryover.analysis.predictions import paired, read_cells, resampled, sums, values
from carryover.metrics import accuracy, bits_per_byte, entity_f1, macro_f1
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import EvaluationSet
from carryover.runtime.errors import BadInput

SETTINGS = Settings(0.95, 200, 0)
TAGGED = EvaluationSet("tagging", "full", "test", "en")


class Rank:
    """A metric without sums."""

    @staticmethod
    def statistic(rows: pd.DataFrame) -> float:
        return float(stats.spearmanr(rows["target"], rows["predicted"]).statistic)


def drawn(n: int, share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def test_a_choice_has_its_candidates_and_what_they_are_called(tmp_path):
    right = drawn(90, 0.5, 0)
    write(tmp_path, choices(right).sample(frac=1, random_state=0))
    ((key, found),) = read_cells(tmp_path.rglob("*.parquet"), ["en"], {"nli": LABELS}).items()
    assert key == (FULL, TEST) and found.seeds == (0,)
    assert found.logp.shape == (1, 90, 3) and found.logp.dtype == np.float32
    assert found.id.tolist() == list(range(90)) and found.clusters == 30
    assert (found.correct[0] == right).all()
    assert found.chance == pytest.approx(1 / 3)
    assert found.constant() is None and found.label(2) == "neutral"
    assert cell(choices(np.ones(3, bool), np.ones(3, int))).constant() == "contradiction"
    assert read_cells(tmp_path.rglob("*.parquet"), ["de"], {}) == {}


def test_ten_candidates_stand_in_the_order_of_their_numbers():
    table = choices(drawn(3, 1, 0)).drop(columns=["logp_0", "logp_1", "logp_2"])
    for candidate in (10, 2, 0, 9, 1, *range(3, 9)):
        table[f"logp_{candidate}"] = np.float32(candidate)
    assert cell(table).logp[0, 0].tolist() == list(range(11))


def test_words_stay_in_their_order_and_score_by_spans(tmp_path):
    target = [["B-PER", "I-PER", "O"], ["O", "B-LOC"]]
    table = tags([["B-PER", "I-PER", "O"], ["O", "O"]], target)
    write(tmp_path, table, asked=TAGGED)
    (found,) = read_cells(tmp_path.rglob("*.parquet"), ["en"], {}).values()
    assert found.tables[0]["word"].tolist() == table["word"].tolist()
    assert sums(found, entity_f1).tolist() == [[[1, 1, 1], [0, 0, 1]]]
    assert values(found, entity_f1) == pytest.approx([2 / 3])
    assert values(found, accuracy) == pytest.approx([4 / 5])


def test_a_likelihood_needs_no_target(tmp_path):
    rows = {"id": [0, 1], "cluster": [0, 0], "nats": [np.log(2) * 8, np.log(2) * 16], "tokens": [1, 2], "bytes": [2, 1]}
    write(tmp_path, pd.DataFrame(rows), asked=EvaluationSet("text", "full", "test", "en"))
    (found,) = read_cells(tmp_path.rglob("*.parquet"), ["en"], {}).values()
    assert values(found, bits_per_byte) == pytest.approx([8])


def test_seeds_have_the_same_sums_though_one_never_gives_an_answer():
    target = np.r_[np.zeros(30, int), np.ones(30, int)]
    first, second = choices(np.ones(60, bool), target), choices(drawn(60, 0.5, 1), target)  # only the second answers `neutral`
    both = cell(first, second)
    assert sums(both, macro_f1).shape == (2, 20, 6)
    alone = [values(both.one_seed(seed), macro_f1)[0] for seed in (0, 1)]
    assert values(both, macro_f1) == pytest.approx(alone)
    assert values(both, macro_f1)[0] == 1


def test_a_metric_without_sums_is_drawn_alike():
    one = cell(choices(drawn(60, 0.6, 2)), choices(drawn(60, 0.6, 3)))
    found = resampled(one, Rank, SETTINGS)
    assert found.shape == (200,) and values(one, Rank).shape == (2,)
    assert found.mean() == pytest.approx(values(one, Rank).mean(), abs=0.05)

    class Share:
        statistic = staticmethod(lambda rows: float((rows["target"] == rows["predicted"]).mean()))

    assert resampled(one, Share, SETTINGS) == pytest.approx(resampled(one, accuracy, SETTINGS), abs=1e-12)


def test_seeds_of_different_rows_are_taken_on_common_rows(tmp_path):
    for seed, keep in ((0, slice(0, 90)), (1, slice(30, 180)), (10, slice(0, 180))):
        write(tmp_path, choices(drawn(180, 0.5, seed)).iloc[keep].sample(frac=1, random_state=0), seed=seed)
    (found,) = read_cells(tmp_path.rglob("*.parquet"), ["en"], {}).values()
    assert found.seeds == (0, 1, 10)  # by number, not by name
    assert found.id.tolist() == list(range(30, 90))
    assert found.cluster.max() == 19
    assert (found.correct == [drawn(180, 0.5, seed)[30:90] for seed in (0, 1, 10)]).all()


def test_cells_are_paired_on_the_rows_of_both():
    first, second = cell(choices(drawn(90, 0.5, 0))), cell(choices(drawn(60, 0.5, 1)))
    ours, theirs = paired(first, second)
    assert (len(ours), len(theirs)) == (60, 60) and theirs is second
    with pytest.raises(BadInput, match="no common rows of nli full en test"):
        paired(first, cell(choices(drawn(9, 0.5, 0)).assign(id=range(100, 109))))


def test_translations_are_paired_in_the_clusters_of_one_language():
    """Two premises of one language may be the same text in another: both have the draw of the first."""
    right = drawn(90, 0.5, 0)
    table = choices(right)
    merged = table.assign(cluster=table["cluster"].replace({1: 0}))
    first, second = paired(cell(table), cell(merged))
    assert second.clusters == first.clusters == 30
    assert (resampled(first, accuracy, SETTINGS) == resampled(second, accuracy, SETTINGS)).all()
    assert [one.clusters for one in paired(cell(merged), cell(table))] == [29, 29]


def test_bad_predictions_are_named(tmp_path):
    path = write(tmp_path, choices(drawn(9, 0.5, 0)).iloc[:0])
    with pytest.raises(BadInput, match=r"en\.test\.parquet: has no rows"):
        read_cells([path], ["en"], {})
    write(tmp_path, choices(drawn(9, 0.5, 0)).assign(logp_1=np.nan))
    with pytest.raises(BadInput, match="not numbers"):
        read_cells([path.parent], ["en"], {})
    path.write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"en\.test\.parquet: not a readable table"):
        read_cells([path], ["en"], {})
    write(tmp_path, choices(drawn(9, 0.5, 0)))
    write(tmp_path, choices(drawn(9, 0.5, 0), np.zeros(9, int)), seed=1)
    with pytest.raises(BadInput, match="its seeds were asked other rows of nli en test"):
        read_cells([path, *tmp_path.rglob("*seed1/**/*.parquet")], ["en"], {})
