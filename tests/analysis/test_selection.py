"""The proposal which languages to train: hand-made candidates whose answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from carryover.analysis.selection import Thresholds, adopting_overlay, propose
from carryover.planning import runs
from carryover.planning.config import resolve
from carryover.planning.schema import load_schema

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"alpha": 0.05, "most": 8, "fewest": 0, "premium": 5.0}
TIERS = {"low_fertility": 2.5, "high_fertility": 3.5, "good_accuracy": 0.4, "moderate_accuracy": 0.3}


def limits(**changes) -> Thresholds:
    return Thresholds(**{**PLAIN, **TIERS, **changes})


def candidates(**rows: tuple[float, float, float, float]) -> pd.DataFrame:
    """dev accuracy, p after Holm, tokens per word, token premium by language; English, by far the best, first."""
    columns = ["dev_accuracy", "p_holm", "tokens_per_word", "token_premium"]
    table = {"en": (0.8, np.nan, 1.1, 1.0), **rows}
    return pd.DataFrame(
        [{"language": name, "chance": 1 / 3, **dict(zip(columns, values, strict=True))} for name, values in table.items()]
    )


ABOVE = {
    "es": (0.45, 0.001, 1.8, 1.7),
    "fr": (0.42, 0.001, 1.7, 1.6),
    "ru": (0.36, 0.300, 5.9, 4.0),  # within chance
    "el": (0.38, 0.010, 6.2, 5.5),  # above chance, too dear
    "sw": (0.30, 0.001, 2.1, 1.9),  # significantly below chance
    "de": (0.41, 0.049, 2.1, 1.9),
}


def chosen(entries: list[dict]) -> list[str]:
    return [entry["language"] for entry in entries if entry["selected"]]


def test_carryover_takes_what_is_above_chance_and_not_too_dear_the_cheapest_first():
    entries = propose(candidates(**ABOVE), "carryover", limits(), list(ABOVE), "en")
    assert chosen(entries) == ["fr", "es", "de"]
    reasons = {entry["language"]: entry["reason"] for entry in entries}
    assert set(reasons) == set(ABOVE)  # every language but English has its reason
    assert "no evidence" in reasons["ru"] and "p 0.3" in reasons["ru"]
    assert "5.50 is over 5" in reasons["el"]
    assert "no evidence" in reasons["sw"]
    assert "above chance" in reasons["fr"] and "1.60" in reasons["fr"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"alpha": 0.049}, ["fr", "es"]),  # p equal to alpha is not below it
        ({"premium": 5.5}, ["fr", "es", "de", "el"]),  # a premium equal to the bound is not over it
        ({"premium": 1.65}, ["fr"]),
        ({"most": 2}, ["fr", "es"]),
        ({"fewest": 3}, ["fr", "es", "de"]),
        ({"fewest": 4}, []),
        ({"alpha": 1e-6}, []),
    ],
)
def test_each_limit_of_carryover_decides(change, expected):
    assert chosen(propose(candidates(**ABOVE), "carryover", limits(**change), list(ABOVE), "en")) == expected


def test_reasons_tell_who_came_before_and_how_many_were_too_few():
    crowded = {
        entry["language"]: entry["reason"]
        for entry in propose(candidates(**ABOVE), "carryover", limits(most=2), list(ABOVE), "en")
    }
    assert "2 others come before it" in crowded["de"]
    assert "others come before" not in crowded["es"] + crowded["ru"]
    few = {
        entry["language"]: entry["reason"]
        for entry in propose(candidates(**ABOVE), "carryover", limits(fewest=4), list(ABOVE), "en")
    }
    assert "only 3 qualify, fewer than 4" in few["es"]


@pytest.mark.parametrize("strategy", ["carryover", "report-tiers"])
def test_ties_go_by_name_whatever_the_order_of_the_candidates(strategy):
    same = dict.fromkeys(("tr", "de", "vi", "bg"), (0.45, 0.001, 2.0, 2.0))
    backwards = dict(reversed(same.items()))
    for rows in (same, backwards):
        assert chosen(propose(candidates(**rows), strategy, limits(most=3), list(same), "en")) == ["bg", "de", "tr"]


@pytest.mark.parametrize("strategy", ["carryover", "report-tiers"])
def test_languages_without_training_text_are_only_evaluated(strategy):
    entries = propose(candidates(**ABOVE), strategy, limits(most=1), ["en", "es", "de"], "en")
    assert chosen(entries) == ["es"]  # fr, which was before, takes nobody's place
    french = next(entry for entry in entries if entry["language"] == "fr")
    assert french["tier"] == 3 and "no training text" in french["reason"]


@pytest.mark.parametrize(
    ("words", "accuracy", "tier"),
    [
        (2.49, 0.41, 1),
        (2.49, 0.40, 2),  # 40 % is moderate, not good
        (2.49, 0.30, 2),
        (2.49, 0.29, 3),  # cheap, but worse than moderate
        (2.50, 0.41, 2),
        (2.50, 0.20, 2),
        (3.50, 0.20, 2),
        (3.51, 0.35, 2),
        (3.51, 0.41, 3),  # what falls into no tier is in the last one
        (3.51, 0.29, 3),
    ],
)
def test_report_tiers_at_every_bound(words, accuracy, tier):
    (entry,) = propose(candidates(xx=(accuracy, 0.9, words, 9.0)), "report-tiers", limits(), ["xx"], "en")
    assert entry["tier"] == tier
    assert entry["selected"] == (tier < 3)
    assert entry["reason"].startswith(f"tier {tier}")


def test_report_tiers_go_from_the_top_and_by_tokens_per_word():
    rows = {"aa": (0.35, 0.9, 1.5, 9.0), "bb": (0.45, 0.9, 2.4, 9.0), "cc": (0.45, 0.9, 2.2, 9.0), "dd": (0.2, 0.9, 3.0, 9.0)}
    assert chosen(propose(candidates(**rows), "report-tiers", limits(), list(rows), "en")) == ["cc", "bb", "aa", "dd"]
    assert chosen(propose(candidates(**rows), "report-tiers", limits(most=2), list(rows), "en")) == ["cc", "bb"]


def test_english_is_never_proposed():
    rows = {"de": ABOVE["de"]}
    for strategy in ("carryover", "report-tiers"):
        assert [entry["language"] for entry in propose(candidates(**rows), strategy, limits(), ["en", "de"], "en")] == ["de"]


def test_a_language_whose_premium_is_not_known_is_not_taken_as_cheap():
    """Dev text that is not parallel has no token premium."""
    table = candidates(**{**ABOVE, "vi": (0.45, 0.001, 3.6, np.nan)}).astype({"token_premium": object})
    table.loc[table["language"] == "vi", "token_premium"] = None
    entries = propose(table, "carryover", limits(), [*ABOVE, "vi"], "en")
    assert chosen(entries) == ["fr", "es", "de"]
    assert entries[-1]["language"] == "vi" and "no token premium" in entries[-1]["reason"]


# ------------------------------------------------------------------------------------------ the overlay


@pytest.fixture(scope="module")
def published() -> dict:
    return resolve(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")), load_schema())


def adopted(config: dict, selected: list[str]) -> dict:
    """The study with the overlay on top, merged as Snakemake does and resolved."""
    finetune = config["finetune"]
    overlay = yaml.safe_load(adopting_overlay(selected, finetune["runs"], finetune["primary_variant"], "en"))
    assert list(overlay) == ["finetune"]
    base = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    changes = overlay["finetune"]
    sets = {**base["finetune"]["sets"], **changes.get("sets", {})}
    base["finetune"] = {**base["finetune"], "runs": changes["runs"], "sets": sets}
    return resolve(base, load_schema())


def test_the_overlay_trains_the_selected_alone_and_together(published):
    config = adopted(published, ["fr", "es"])
    trained = runs.trained_runs(config)
    others = [(run.system.variant, run.system.train, run.seed, run.languages) for run in trained if run.system.train != "en"]
    assert others == [
        *(("baseline", language, seed, (language,)) for language in ("fr", "es") for seed in (0, 1, 2)),
        *(("baseline", "selected", seed, ("en", "fr", "es")) for seed in (0, 1, 2)),
    ]
    english = [run for run in runs.trained_runs(published) if run.system.train == "en"]
    assert [run for run in trained if run.system.train == "en"] == english  # none of them is trained again


def test_an_empty_proposal_trains_english_and_nothing_else(published):
    config = adopted(published, [])
    assert {run.system.train for run in runs.trained_runs(config)} == {"en"}
    assert "selected" not in config["finetune"]["sets"]


def test_the_overlay_can_be_read(published):
    text = adopting_overlay(["fr"], published["finetune"]["runs"], "baseline", "en")
    assert "&id" not in text and "*id" not in text  # a person edits it: no anchors
    assert text.isascii()
