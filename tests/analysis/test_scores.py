"""The tables of every metric: two tasks, three methods, and what is compared with what."""

import numpy as np
import pandas as pd
import pytest

from answers import FULL, cell, choices, tags
from carryover.analysis.comparison import HIGHER, NO_DIFFERENCE, compare, difference
from carryover.analysis.scores import difference_table, score_table
from carryover.analysis.study import Group, Study
from carryover.metrics import accuracy, entity_f1, macro_f1
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import EvaluationSet, System, as_it_is

CONFIG = {"task": "nli", "source_language": "en", "primary_variant": "baseline", "languages": ["en", "de"]}
CONFIG |= {"confidence": 0.95, "resamples": 300, "seed": 0, "trained": {"en": ["en"], "both": ["en", "de"]}}
SETTINGS = Settings(0.95, 300, 0)
LORA = FULL._replace(method="lora", variant="low_rank")
TAGGER = System("toy", "tagging", "full", "baseline", "en")
SKILL = {FULL: 0.8, LORA: 0.5, as_it_is("toy"): 0.35, FULL._replace(train="both"): 0.7, FULL._replace(variant="other"): 0.8}
METRICS = {"nli": {"accuracy": accuracy, "macro_f1": macro_f1}, "tagging": {"entity_f1": entity_f1}}


def answers(skill: float, *stream: int) -> pd.DataFrame:
    return choices(np.random.default_rng(stream).random(300) < skill)


@pytest.fixture(scope="module")
def cells():
    found = {}
    for place, (system, skill) in enumerate(SKILL.items()):
        for language in CONFIG["languages"]:
            asked = EvaluationSet("nli", "full", "test", language)
            seeds = [answers(skill, place, seed, len(found)) for seed in range(2 if system == FULL else 1)]
            found[system, asked] = cell(*seeds, system=system, asked=asked)
    target = [["B-PER", "I-PER", "O"]] * 30
    for system, wrong in ((TAGGER, 5), (as_it_is("toy"), 25)):
        asked = EvaluationSet("tagging", "full", "test", "en")
        table = tags([["O", "O", "O"] if place < wrong else target[0] for place in range(30)], target)
        found[system, asked] = cell(table, system=system, asked=asked)
    return found


@pytest.fixture(scope="module")
def study(cells):
    return Study(cells, {}, pd.DataFrame(), {}, CONFIG)


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    assert len(table) == 1, where
    return table.iloc[0]


def test_every_file_has_a_row_for_every_metric_of_its_task(cells):
    table = score_table(cells, METRICS, SETTINGS)
    files = {task: sum(len(cell.seeds) for (_, asked), cell in cells.items() if asked.task == task) for task in METRICS}
    assert table.groupby("task").size().to_dict() == {task: len(METRICS[task]) * files[task] for task in METRICS}
    row = one(table, system=FULL.name, seed=1, language="de", metric="accuracy")
    kept = cells[FULL, EvaluationSet("nli", "full", "test", "de")]
    assert row["value"] == kept.correct[1].mean() and (row["n"], row["clusters"]) == (300, 100)
    assert row["low"] < row["value"] < row["high"]
    tagged = one(table, system=TAGGER.name, metric="entity_f1")
    assert tagged["value"] == pytest.approx(2 * 25 / 55) and (tagged["n"], tagged["clusters"]) == (90, 30)
    assert one(table, model="toy", method="none", task="tagging")["train"] == "none"


def test_each_system_is_compared_with_what_it_departs_from(cells, study):
    table = difference_table(cells, METRICS, study.reference, SETTINGS)
    lora = one(table, system=LORA.name, language="en", metric="accuracy")
    assert (lora["other"], lora["finding"]) == (FULL.name, "lower")
    assert lora["difference"] == pytest.approx(lora["value"] - lora["other_value"])
    assert lora["difference_low"] < lora["difference"] < lora["difference_high"] < 0
    assert one(table, variant="other", language="en", metric="macro_f1")["finding"] == NO_DIFFERENCE
    assert one(table, system=FULL.name, language="en", metric="macro_f1")["other"] == as_it_is("toy").name
    assert one(table, train="both", language="de", metric="accuracy")["other"] == as_it_is("toy").name
    tagged = one(table, task="tagging")
    assert (tagged["other"], tagged["finding"]) == (as_it_is("toy").name, HIGHER)
    assert as_it_is("toy").name not in set(table["system"])
    corrected = table[(table["system"] == LORA.name) & (table["metric"] == "accuracy")]
    assert (corrected["p_difference"] == (2 * corrected["p_paired"]).clip(upper=1)).any()


def test_an_empty_study_has_both_headers(study):
    assert list(score_table({}, {}, SETTINGS))[:3] == ["system", "model", "method"]
    assert difference_table({}, {}, study.reference, SETTINGS).empty


def test_accuracy_is_compared_by_mcnemar_too(cells):
    asked = EvaluationSet("nli", "full", "test", "en")
    first, second = cells[FULL, asked], cells[LORA, asked]
    both, plain = compare(first, second, SETTINGS, 2), difference(first, second, accuracy, SETTINGS, 2)
    assert {name: both[name] for name in plain} == plain
    assert both["p_mcnemar"] < 0.001 and both["only_this"] > both["only_other"]


# --------------------------------------------------------------------------------- which system stands for what


def test_methods_do_not_hide_each_other(study):
    full, lora = Group("toy", "nli", "full"), Group("toy", "nli", "lora")
    assert study.groups() == [full, lora]
    assert study.zero_shot(full) == FULL
    assert study.zero_shot(lora) == LORA  # which has no run of the primary variant
    assert [name for name, _ in study.regimes(full, "de")] == ["zero-shot", "joint model"]
    assert study.regimes(lora, "de") == [("zero-shot", LORA)]
    assert TAGGER not in study.systems() and as_it_is("toy") in study.systems()
    assert study.as_it_is("toy") == as_it_is("toy") and study.as_it_is("other") is None


def test_a_model_that_nobody_trained_is_a_group_of_its_own(cells):
    untouched = {(as_it_is("big"), asked): cell for (_, asked), cell in cells.items() if asked.task == "nli"}
    study = Study({**cells, **untouched}, {}, pd.DataFrame(), {}, CONFIG)
    assert study.groups() == [Group("big", "nli", "none"), *(Group("toy", "nli", method) for method in ("full", "lora"))]
    assert study.regimes(study.groups()[0], "de") == []


def test_the_primary_variant_and_the_source_language_are_values(cells):
    study = Study(cells, {}, pd.DataFrame(), {}, CONFIG | {"primary_variant": "other", "source_language": "de"})
    full = Group("toy", "nli", "full")
    assert study.stands_for(full, "en").variant == "other"
    assert study.zero_shot(full) is None and study.regimes(full, "en")[0] == ("own model", FULL._replace(variant="other"))
    assert study.reference(FULL) == FULL._replace(variant="other")
