"""What the chapter says and decides follows its tables: planted answers and prices, their reverse, and nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from carryover.analysis.claims import COLUMNS, CONTRADICTED, SUPPORTED, UNDECIDED, Results, claims_of, deciding_tests
from carryover.analysis.comparison import LOWER, NO_DIFFERENCE
from carryover.analysis.likelihoods import asked_of
from carryover.analysis.predictions import Cell
from carryover.analysis.records import read_csv
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import EvaluationSet, System, as_it_is
from carryover.reporting.chapters import FILE, FOLDER, Figure, Table, read_chapter
from carryover.reporting.formatting import Words
from carryover.reporting.functions import function, parts
from carryover.reporting.style import Look
from carryover.runtime.parts import load
from chapters.adaptation import claims, sentences, tables, verdicts
from chapters.adaptation.sources import Adaptation
from synthetic_study import LOOK, ROOT

LANGUAGES = ["en", "es", "de", "ar", "th", "zh"]
PREMISES = 400
SETTINGS = Settings(0.95, 1000, 0)
TESTS = deciding_tests(claims)
PREMIUM = dict(zip(LANGUAGES, [1.0, 1.6, 1.9, 3.5, 7.1, 2.3], strict=True))
FULL = {"method": "full", "skill": dict.fromkeys(LANGUAGES, 0.5)}


def system(variant: str, method: str) -> System:
    return System("toy", "nli", method, variant, "en")


def answers(right: np.ndarray, seed: int) -> pd.DataFrame:
    """Rows of three a premise; where they are right is given, what else is answered is drawn."""
    n = len(right)
    target = np.tile([0, 1, 2], n // 3)
    answer = np.where(right, target, (target + 1 + np.random.default_rng([seed, 9]).integers(0, 2, n)) % 3)
    logp = np.full((n, 3), -6.0)
    logp[np.arange(n), answer] = -1
    table = pd.DataFrame({"id": np.arange(n), "cluster": np.arange(n) // 3, "target": target.astype("int8")})
    return table.assign(**{f"logp_{k}": logp[:, k].astype("float32") for k in range(3)}, greedy_label=answer.astype("int8"))


def study(planted: dict[str, dict], seeds: int = 1, **config) -> Adaptation:
    """Systems by variant: `skill` by language, the share of rows that are right; `seconds`, `memory`, `rank` and `bits` if given.

    The same draws decide for all systems of a language which rows are right, so that differences are nearly exact.
    """
    cells, training, likelihoods = {}, {}, {}
    rng = np.random.default_rng(3)
    easy = {language: rng.random(3 * PREMISES) for language in LANGUAGES}
    nats = rng.normal(60, 10, PREMISES)
    before = pd.DataFrame({"id": np.arange(PREMISES), "cluster": np.arange(PREMISES), "nats": nats, "tokens": 10, "bytes": 50})
    likelihoods[as_it_is("toy"), asked_of("en")] = Cell(as_it_is("toy"), asked_of("en"), (0,), (before,))
    for place, (variant, facts) in enumerate(planted.items()):
        one = system(variant, facts["method"])
        for language, skill in facts["skill"].items():
            asked = EvaluationSet("nli", "full", "test", language)
            rows = tuple(answers(easy[language] < skill, seed) for seed in range(seeds))
            cells[one, asked] = Cell(one, asked, tuple(range(seeds)), rows, ("a", "b", "c"))
        extra = facts.get("bits", 0.0) * 50 * np.log(2)
        noise = np.random.default_rng([place, 7]).normal(0, 0.5, PREMISES)
        after = before.assign(nats=nats + extra + noise)
        likelihoods[one, asked_of("en")] = Cell(one, asked_of("en"), (0,), (after,))
        for seed in range(seeds):
            recipe = {"method": facts["method"]} | ({"lora": facts["lora"]} if "lora" in facts else {})
            jitter = 1 + 0.01 * ((seed + place) % 3)
            training[one, seed] = {
                **{"examples": 1000, "updates": 250, "train_loss": 1.0, "parameters": 1000, "device": "cpu", "recipe": recipe},
                **{"trained_parameters": facts.get("trained", 1000), "model_bytes": facts.get("trained", 1000) * 4},
                **{"seconds": facts.get("seconds", 100.0) * jitter, "peak_memory_mb": facts.get("memory", 800) * jitter},
            }
    fertility = pd.DataFrame({"tokenizer": "bpe", "text": "dev", "language": LANGUAGES, "token_premium": PREMIUM.values()})
    slice_of = {
        **{"confidence": 0.95, "resamples": SETTINGS.resamples, "seed": 0, "languages": LANGUAGES, "source_language": "en"},
        **{"task": "nli", "reference": "all", "variants": None, "tokenizers": {"toy": "bpe"}},
    }
    scripts = read_csv(ROOT / "data/languages.csv").set_index("language")["script"].to_dict()
    return Adaptation(slice_of | config, cells, training, likelihoods, fertility, scripts, pd.DataFrame(columns=COLUMNS))


def flat(skill: float) -> dict[str, float]:
    return dict.fromkeys(LANGUAGES, skill)


def light(skill: float | dict[str, float] = 0.5, **facts) -> dict:
    return {"method": "lora", "skill": skill if isinstance(skill, dict) else flat(skill), "trained": 50} | facts


def words() -> Words:
    return Words({"en": "English", "th": "Thai"}, 1, 0.95, "en")


def said(function, planted: dict[str, dict]) -> str:
    made = study(planted)
    names = ("methods", "forgetting", "unequal", "premium", "accuracy", "training")
    return " ".join(function({name: getattr(tables, name)(made) for name in names}, words()))


def test_accuracies_and_differences_are_those_that_were_planted():
    table = tables.accuracy(study({"all": FULL, "low": light(0.4)}))
    row = table[(table["variant"] == "low") & (table["language"] == "en")].iloc[0]
    assert row["accuracy"] == pytest.approx(0.4, abs=0.03) and row["low"] < row["accuracy"] < row["high"]
    assert row["difference"] == pytest.approx(-0.1, abs=0.03) and row["finding"] == LOWER
    assert table[table["variant"] == "all"]["finding"].isna().all()


def test_means_over_languages_resample_translations_together():
    """Translations whose premises are counted otherwise are the same draws: six of one language are as uncertain as that one."""
    cell = study({"all": FULL}).cell(system("all", "full"), "en")
    coarse = replace(cell, tables=tuple(table.assign(cluster=table["cluster"] // 2) for table in cell.tables))
    one, six = tables.mean_over([cell], SETTINGS), tables.mean_over([cell, *[coarse] * 5], SETTINGS)
    assert six.value == pytest.approx(one.value)
    np.testing.assert_allclose(six.drawn, one.drawn)


def test_the_table_of_methods_states_prices_and_the_frontier():
    variants = {"all": FULL, "low": light(0.5, seconds=50.0), "worse": light(0.3, seconds=80.0, trained=100)}
    table = tables.methods(study(variants)).set_index("variant")
    assert table.loc["low", "seconds_per_thousand"] == pytest.approx(50, rel=0.03)
    assert table.loc["low", "trained_share"] == 0.05 and table.loc["all", "trained_share"] == 1
    assert pd.isna(table.loc["all", "against"]) and table.loc["low", "against"] == "all"
    assert table.loc["worse", "source_finding"] == LOWER and table.loc["low", "source_finding"] == NO_DIFFERENCE
    assert table["frontier_seconds_per_thousand"].to_dict() == {"all": False, "low": True, "worse": False}


def test_a_frontier_is_what_nothing_dominates():
    price, value = pd.Series([1.0, 2.0, 3.0, 2.0, np.nan, 1.0]), pd.Series([0.3, 0.5, 0.4, 0.5, 0.9, 0.2])
    assert tables.frontier(price, value) == [True, True, False, True, False, False]


def test_what_a_language_loses_beyond_the_source_language_is_found_and_not_invented():
    hit = flat(0.4) | {"th": 0.25}
    table = tables.unequal(study({"all": FULL, "even": light(0.4), "uneven": light(hit)})).set_index(["variant", "language"])
    assert table.loc[("uneven", "th"), "difference"] == pytest.approx(-0.15, abs=0.04)
    assert table.loc[("uneven", "th"), "finding"] == LOWER
    assert table.loc["even"]["finding"].eq(NO_DIFFERENCE).all()
    assert table.loc["uneven"].drop("th")["finding"].eq(NO_DIFFERENCE).all()


def test_the_null_of_the_difference_of_differences_keeps_its_level():
    """Two systems of equal skill with draws of their own: 5 % of p below 0.05, within what 100 draws can show."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        made = [
            Cell(
                system(str(place), "full"),
                EvaluationSet("nli", "full", "test", "en"),
                (0,),
                (answers(rng.random(300) < 0.5, seed),),
            )
            for place in range(4)
        ]
        found.append(tables.beyond((made[0], made[1]), (made[2], made[3]), Settings(0.95, 200, seed), 1)["p_paired"])
    assert 0 < (np.array(found) < 0.05).mean() < 0.13


def test_the_loss_goes_with_the_premium_where_that_was_planted():
    falling = {language: 0.5 - 0.04 * PREMIUM[language] for language in LANGUAGES}
    table = tables.premium(study({"all": FULL, "low": light(falling)}))
    assert table["rho"].iloc[0] == pytest.approx(-1) and table["n"].iloc[0] == 5
    floored = FULL | {"skill": flat(0.5) | {"th": 0.3}}
    assert tables.premium(study({"all": floored, "low": light(falling)}))["n"].iloc[0] == 4  # nothing to lose in Thai


def test_forgetting_is_after_minus_before():
    table = tables.forgetting(study({"all": FULL | {"bits": 0.3}, "low": light(bits=0.1)})).set_index("variant")
    assert table.loc["all", "forgotten"] == pytest.approx(0.3, abs=0.01)
    assert table.loc["low", "difference"] == pytest.approx(-0.2, abs=0.01) and table.loc["low", "finding"] == LOWER


def test_sentences_change_with_what_was_planted():
    better, same, worse = (said(sentences.reached, {"all": FULL, "low": light(skill)}) for skill in (0.65, 0.5, 0.3))
    assert "low (+" in better and "is more accurate than all (full)" in better
    assert "no evidence of a difference between low and all (full) in English" in same and "more accurate" not in same
    assert "is less accurate than all (full)" in worse
    two = said(sentences.reached, {"all": FULL, "low": light(0.3), "lower": light(0.2)})
    assert "are less accurate than all (full)" in two
    assert "was compared with another" in said(sentences.reached, {"all": FULL})


def test_prices_are_told_as_shares_of_the_reference():
    text = said(sentences.priced, {"all": FULL, "low": light(seconds=50.0, memory=400)})
    assert "low (lora) takes 5.00\N{NO-BREAK SPACE}% of trained weights" in text
    assert said(sentences.priced, {"all": FULL}) == ""
    buys = said(sentences.best_buys, {"all": FULL, "low": light(0.3)})
    assert "trained weights: all and low" in buys and "training time: all;" in buys + ";"


def test_what_was_forgotten_is_told():
    text = said(sentences.forgotten, {"all": FULL | {"bits": 0.3}, "low": light(bits=0.1)})
    assert "low forgot less than the reference" in text
    assert "low forgot more" in said(sentences.forgotten, {"all": FULL, "low": light(bits=0.3)})
    assert "No difference to the reference is clear" in said(sentences.forgotten, {"all": FULL, "low": light()})


def test_whether_others_lose_more_is_told():
    hit = flat(0.4) | {"th": 0.25}
    assert "low costs more than in English in Thai" in said(sentences.costs_others_more, {"all": FULL, "low": light(hit)})
    spared = flat(0.3) | {"th": 0.5}
    assert "low costs less than in English in Thai" in said(sentences.costs_others_more, {"all": FULL, "low": light(spared)})
    even = said(sentences.costs_others_more, {"all": FULL, "low": light(0.4)})
    assert "no evidence that low costs any of 5 other languages more or less than English" in even
    assert "cannot be said" in said(sentences.costs_others_more, {"all": FULL})
    floored = FULL | {"skill": flat(0.5) | {"th": 0.3}}
    text = said(sentences.costs_others_more, {"all": floored, "low": light(flat(0.4) | {"th": 0.3})})
    assert "In Thai the reference itself is not above chance" in text and "any of 4 other languages" in text
    falling = {language: 0.5 - 0.04 * PREMIUM[language] for language in LANGUAGES}
    assert "token premium (ρ \N{MINUS SIGN}1.00" in said(sentences.with_premium, {"all": FULL, "low": light(falling)})


R4, R8, R16 = ({"lora": {"rank": rank, "alpha": 2 * rank}} for rank in (4, 8, 16))
CASES = {
    "lora_shortens_training": [
        (SUPPORTED, {"all": FULL, "low": light(seconds=30.0)}, 3),
        (CONTRADICTED, {"all": FULL, "low": light(seconds=80.0)}, 3),
        (UNDECIDED, {"all": FULL, "low": light(seconds=30.0)}, 1),
        (UNDECIDED, {"all": FULL}, 3),
    ],
    "light_methods_need_less_memory": [
        (SUPPORTED, {"all": FULL, "low": light(memory=500)}, 3),
        (CONTRADICTED, {"all": FULL, "low": light(memory=900)}, 3),
        (UNDECIDED, {"all": FULL, "low": light(memory=500)}, 1),
    ],
    "rank_eight_matches_full": [
        (SUPPORTED, {"all": FULL, "low": light(0.5, **R8)}, 1),
        (CONTRADICTED, {"all": FULL, "low": light(0.4, **R8)}, 1),
        (UNDECIDED, {"all": FULL, "low": light(0.4, **R4)}, 1),
    ],
    "higher_ranks_return_less": [
        (SUPPORTED, {"all": FULL, "four": light(0.2, **R4), "eight": light(0.48, **R8), "sixteen": light(0.5, **R16)}, 1),
        (CONTRADICTED, {"all": FULL, "four": light(0.2, **R4), "eight": light(0.22, **R8), "sixteen": light(0.5, **R16)}, 1),
        (UNDECIDED, {"all": FULL, "four": light(0.2, **R4), "eight": light(0.3, **R8), "sixteen": light(0.4, **R16)}, 1),
        (UNDECIDED, {"all": FULL, "four": light(0.2, **R4), "eight": light(0.48, **R8)}, 1),
    ],
    "lora_keeps_other_languages": [
        (SUPPORTED, {"all": FULL, "low": light(0.5)}, 1),
        (CONTRADICTED, {"all": FULL, "low": light(0.4)}, 1),
        (UNDECIDED, {"all": FULL}, 1),
        (UNDECIDED, {"all": FULL | {"skill": flat(0.3) | {"en": 0.5}}, "low": light(0.3)}, 1),
    ],
    "lora_forgets_less": [
        (SUPPORTED, {"all": FULL | {"bits": 0.3}, "low": light(bits=0.1)}, 1),
        (CONTRADICTED, {"all": FULL, "low": light(bits=0.1)}, 1),
        (UNDECIDED, {"all": FULL, "low": light()}, 1),
    ],
}


def test_every_claim_is_planted():
    assert set(CASES) == set(TESTS)
    listed = claims_of(read_csv(ROOT / "data/published/claims.csv"), "adaptation")
    assert {row["test"] for row in listed if row["test"]} == set(TESTS)


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, cases in CASES.items() for place in range(len(cases))])
def test_claims_are_decided_by_what_was_planted(name, place):
    verdict, variants, seeds = CASES[name][place]
    made = study(variants, seeds)
    needed = {make.__name__: make(made) for make in verdicts.NEEDED}
    decision = TESTS[name](Results("toy", needed, made.scripts, "en", SETTINGS))
    assert decision.verdict == verdict, decision
    assert decision.why


@pytest.mark.parametrize("variants", [{}, {"all": FULL}, {"all": FULL, "low": light(0.4), "other": light(0.45)}])
def test_all_that_is_declared_can_be_made(variants):
    """Every table, figure and sentence, of a study without systems too."""
    chapter = read_chapter(FOLDER / "adaptation" / FILE)
    made = study(variants)
    names = [*chapter.functions(Table).values(), *chapter.functions(Figure).values(), *chapter.said]
    modules = load(parts({"adaptation": names}))
    written = {name: function(modules, "adaptation", make)(made) for name, make in chapter.functions(Table).items()}
    look = Look(read_csv(ROOT / "data/languages.csv"), **LOOK)
    for draw in chapter.functions(Figure).values():
        _, drawn = function(modules, "adaptation", draw)(written, look)
        assert list(drawn)
    for name in chapter.said:
        assert all(isinstance(text, str) for text in function(modules, "adaptation", name)(written, words()))
    for name, table in chapter.tables.items():
        assert set(table.columns) <= set(written[name]), name


def test_variants_that_the_config_does_not_name_are_left_out():
    made = study({"all": FULL, "low": light(), "other": light()}, variants=["low"])
    assert [one.variant for one in made.systems()] == ["all", "low"]
