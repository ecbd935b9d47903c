"""The claims of transfer: each test on planted tables that support, contradict, and decide nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import answers
from carryover.analysis.claims import COLUMNS, CONTRADICTED, SUPPORTED, UNDECIDED, Results, claims_of, deciding_tests, verdicts
from carryover.analysis.comparison import ABOVE, NO_EVIDENCE
from carryover.analysis.predictions import Cell
from carryover.analysis.published import COMPARABLE
from carryover.analysis.records import read_csv
from carryover.metrics.bootstrap import Settings
from chapters.transfer import claims
from chapters.transfer.retention import kept
from synthetic_study import ROOT, make_tables, write_study

CLAIMS = read_csv(ROOT / "data/published/claims.csv")
TESTS = deciding_tests(claims)
LANGUAGES = read_csv(ROOT / "data/languages.csv").set_index("language")["script"].to_dict()
LATIN = [code for code, script in LANGUAGES.items() if script == "Latin" and code != "en"]
OTHER = [code for code, script in LANGUAGES.items() if script != "Latin"]
SETTINGS = Settings(0.95, 2000, 0)
TOY = "not comparable: a toy model"
CHANCE, SE, N = 1 / 3, 0.005, 5010
WORDS = dict(zip(LANGUAGES, np.linspace(1.1, 9.5, len(LANGUAGES)), strict=True))


def p_of(z: float) -> float:
    return float(stats.norm.sf(z))


def scored(accuracy: float) -> dict[str, object]:
    """An accuracy with everything that a row of a table has of it; standard error half a point."""
    above = (accuracy - CHANCE) / SE
    ends = {"accuracy": accuracy, "low": accuracy - 1.96 * SE, "high": accuracy + 1.96 * SE, "n": N, "chance": CHANCE}
    return ends | {"p_chance": p_of(above), "verdict": ABOVE if above > 3 else NO_EVIDENCE}


def changed(difference: float) -> dict[str, object]:
    ends = {"difference": difference, "difference_low": difference - 1.96 * SE, "difference_high": difference + 1.96 * SE}
    return ends | {"p_mcnemar": 2 * p_of(abs(difference) / SE), "n": N}


def zero_shot(accuracies: dict[str, float], comparison: str = TOY, **english: object) -> pd.DataFrame:
    rows = [{"language": code, "comparison": comparison} | scored(value) for code, value in accuracies.items()]
    return pd.DataFrame([{"language": "en", "comparison": comparison} | scored(0.78) | english, *rows])


def flat(value: float, **others: float) -> dict[str, float]:
    return dict.fromkeys([code for code in LANGUAGES if code != "en"], value) | others


def by_script(latin: float, other: float) -> dict[str, float]:
    """Accuracies around these two values; of equal ones, every second language of either kind is the better."""
    return {code: (latin if code in LATIN else other) + 0.03 * (place % 2) for place, code in enumerate([*LATIN, *OTHER])}


def english(difference: float | None, comparison: str = COMPARABLE) -> pd.DataFrame:
    ends = {} if difference is None else {"published_difference": difference, "published_low": difference - 0.01}
    ends |= {} if difference is None else {"published_high": difference + 0.01}
    return zero_shot({}, comparison, **ends)


RECIPE = {"epochs": 1, "weight_decay": 0.01, "warmup": 0, "schedule": "constant", "dropout": 0.1, "precision": "fp32"}


def settings(lr: float, batch: int, difference: float) -> pd.DataFrame:
    """A baseline and one variant."""
    baseline = {"variant": "baseline", "split": "test", "lr": 5e-5, "batch_size": 4, "difference": np.nan, "n": N}
    other = {"variant": "other", "split": "test", "lr": lr, "batch_size": batch}
    return pd.DataFrame([baseline | RECIPE, other | RECIPE | changed(difference)])


def deltas(difference: float, count: int = 3, reach: float = 0.01) -> pd.DataFrame:
    row = {"split": "test", "n": N, "delta_difference": difference, "delta_low": difference - reach}
    return pd.DataFrame([row | {"variant": f"v{place}", "delta_high": difference + reach} for place in range(count)])


def untuned(accuracy: float, method: str = "none") -> pd.DataFrame:
    return pd.DataFrame([{"method": method, "language": "en"} | scored(accuracy)])


def counts(train: int, *splits: str) -> pd.DataFrame:
    rows = {"train": train, "dev": 2490, "test": 5010}
    return pd.DataFrame([{"language": "en", "split": split, "rows": rows[split]} for split in splits or rows])


def retained(share: float | None) -> pd.DataFrame:
    ends = {"share": np.nan} if share is None else {"share": share, "share_low": share - 0.03, "share_high": share + 0.03}
    refused = "the lead is not clear of 0" if share is None else None
    return pd.DataFrame([{"regime": "zero-shot", "language": code, "n": N, "refused": refused} | ends for code in ("es", "th")])


def fertility(words: dict[str, float], text: str = "dev", comparison: str = COMPARABLE, off: float = 0.0) -> pd.DataFrame:
    rows = []
    for code, value in words.items():
        row = {"language": code, "text": text, "tokens_per_word": value, "word_low": value - 0.02, "word_high": value + 0.02}
        rows.append(row | {"rows": 3927, "comparison": comparison, "published": value - off, "published_difference": off})
    return pd.DataFrame(rows)


GROUPED = {"en": 1.1, "fr": 1.75, "de": 2.7, "th": 9.5}
TIERED = {"fr": 1.75, "es": 1.8, "de": 2.1, "ru": 5.9, "bg": 5.5, "tr": 2.7, "th": 9.5}


def correlation(rho: float, n: int, regime: str, outcome: str) -> pd.DataFrame:
    row = {"regime": regime, "outcome": outcome, "predictor": "tokens_per_word", "rho": rho, "n": n}
    return pd.DataFrame([row | {"low": rho - 0.2, "high": rho + 0.2, "p": 0.001 if abs(rho) > 0.5 else 0.4}])


def own(gains: dict[str, float], start: dict[str, float] | None = None) -> pd.DataFrame:
    """Rows of models of single languages, and their mean."""
    rows = []
    for code, gain in gains.items():
        at = (start or {}).get(code, 0.36)
        rows.append({"language": code, "zero_shot": at} | scored(at + gain) | changed(gain))
    mean = changed(float(np.mean(list(gains.values())))) | {"language": "mean", "n": np.nan} if gains else None
    return pd.DataFrame([*rows, mean] if gains else [], columns=[*(rows[0] if rows else ["language"])])


def differences(values: dict[str, float], other: str, regime: str = "joint model") -> pd.DataFrame:
    rows = [{"regime": regime, "other": other, "language": code, "seen": True} | changed(gap) for code, gap in values.items()]
    return pd.DataFrame(rows, columns=["regime", "other", "language", "seen", *changed(0)])


def regimes(*names: str) -> pd.DataFrame:
    return pd.DataFrame([{"regime": name, "language": code, "seen": True} for name in names for code in LANGUAGES])


def joint(values: dict[str, float], other: str) -> dict[str, pd.DataFrame]:
    return {"regimes": regimes("zero-shot", "joint model"), "differences": differences(values, other)}


def two_joint(gap: float) -> dict[str, pd.DataFrame]:
    few, many = "joint model of 4 languages", "joint model of 8 languages"
    return {"regimes": regimes(few, many), "differences": differences({"es": gap, "fr": gap}, few, many)}


def equal_effort(criterion: str, code: str, gap: float | None) -> pd.DataFrame:
    row = {"equal_in": criterion, "language": code} | changed(gap or 0) | {"missing": np.nan}
    return pd.DataFrame([row if gap is not None else row | {"difference": np.nan, "missing": "a run"}])


def sizes(many: int) -> pd.DataFrame:
    rows = [("many models", many), ("one model", 500)]
    return pd.DataFrame([{"regime": "joint model", "approach": name, "model_bytes": count} for name, count in rows])


STRONG = {"zero_shot": zero_shot(flat(0.34, es=0.46))}
COSTLY = {"fertility": fertility(WORDS)}
NO_TRANSFER = {"zero_shot": zero_shot(flat(0.335))}
EXAMPLES, UPDATES = "examples of the language", "updates"
# For each test: tables that support the claim, tables that contradict it, and tables that decide nothing.
PLANTED: dict[str, tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], dict[str, pd.DataFrame]]] = {
    "english_accuracy": tuple({"zero_shot": english(*value)} for value in ((0.001,), (-0.2,), (None, TOY))),
    "settings_differ_as_published": tuple({"hyperparameters": deltas(*value)} for value in ((0.005,), (0.1,), (0.0, 3, 0.05))),
    "lower_rate_is_better": tuple({"hyperparameters": settings(1e-5, 4, gap)} for gap in (0.02, -0.02, 0.001)),
    "higher_rate_is_worse": tuple({"hyperparameters": settings(1e-4, 4, gap)} for gap in (-0.02, 0.02, 0.001)),
    "larger_batch_is_better": tuple({"hyperparameters": settings(5e-5, 8, gap)} for gap in (0.02, -0.02, 0.001)),
    "untuned_model_guesses": tuple({"transfer_matrix": untuned(*of)} for of in ((0.335,), (0.45,), (0.335, "full"))),
    "row_counts": tuple({"data": counts(*of)} for of in ((392_702,), (392_701,), (392_702, "dev", "test"))),
    "latin_script_carries_over": tuple(
        {"zero_shot": zero_shot(of)} for of in (by_script(0.45, 0.34), by_script(0.34, 0.45), by_script(0.36, 0.36))
    ),
    "some_languages_carry_over": tuple({"zero_shot": zero_shot(of)} for of in (flat(0.335, es=0.46), flat(0.30), flat(0.335))),
    "most_languages_stay_near_chance": tuple(
        {"zero_shot": zero_shot(of)} for of in (flat(0.34, es=0.46), flat(0.46), flat(0.38))
    ),
    "categories_hold": (
        {"zero_shot": zero_shot(flat(0.35, es=0.46, fr=0.42, de=0.42), COMPARABLE)},
        {"zero_shot": zero_shot(flat(0.35, es=0.35), COMPARABLE)},
        {"zero_shot": zero_shot(flat(0.35, es=0.46, fr=0.42, de=0.42))},
    ),
    "moderate_means_above_chance": tuple({"zero_shot": zero_shot(flat(value))} for value in (0.36, 0.305, 0.335)),
    "spanish_and_french_are_best": tuple(
        {"zero_shot": zero_shot(of)} for of in (flat(0.34, es=0.46, fr=0.43), flat(0.46, es=0.40, fr=0.40), flat(0.46, es=0.46))
    ),
    "arabic_and_greek_are_worst": tuple(
        {"zero_shot": zero_shot(of)} for of in (flat(0.40, ar=0.34, el=0.34), flat(0.34, ar=0.40, el=0.40), flat(0.334))
    ),
    "most_of_the_lead_is_kept": tuple({"retention": retained(share)} for share in (0.95, 0.6, None)),
    "fertility_is_as_published": tuple(
        {"fertility": fertility(GROUPED, "train", *of)} for of in ((COMPARABLE, 0.004), (COMPARABLE, 0.3), (TOY, 0.0))
    ),
    "fertility_groups_hold": tuple(
        {"fertility": fertility(*of)}
        for of in ((GROUPED, "train"), (GROUPED | {"de": 2.1}, "train"), (GROUPED | {"de": 2.5}, "train"))
    ),
    "fertility_goes_with_accuracy": tuple(
        STRONG | {"correlation": correlation(rho, 14, "zero-shot", "accuracy")} for rho in (-0.7, 0.7, -0.1)
    ),
    "fertility_goes_with_gain": tuple({"correlation": correlation(rho, 7, "own model", "gain")} for rho in (-0.8, 0.8, np.nan)),
    "first_tier_holds": tuple(
        {"fertility": fertility(TIERED | {"de": words}), "zero_shot": zero_shot(flat(0.35, es=0.46, fr=0.43, de=at), COMPARABLE)}
        for words, at in ((2.1, 0.43), (2.1, 0.35), (2.1, 0.40))
    ),
    "second_tier_holds": tuple(
        {"fertility": fertility(TIERED), "zero_shot": zero_shot(flat(0.35, ru=at, bg=at), COMPARABLE)} for at in (0.36, 0.5, 0.40)
    ),
    "costly_languages_are_poor": tuple(
        COSTLY | {"zero_shot": zero_shot(flat(at), *comparison)}
        for at, *comparison in ((0.28, COMPARABLE), (0.35, COMPARABLE), (0.28, TOY))
    ),
    "zero_shot_predicts_own_model": tuple(
        {"per_language": own(dict.fromkeys(codes, 0.0) | slope, {code: 0.3 + 0.01 * at for at, code in enumerate(codes)})}
        for codes, slope in (
            (list(LANGUAGES)[1:], {}),
            (list(LANGUAGES)[1:], {code: -0.03 * at for at, code in enumerate(list(LANGUAGES)[1:])}),
            (["es", "fr"], {}),
        )
    ),
    "costly_languages_gain_little": tuple(COSTLY | {"per_language": own({"th": gain})} for gain in (0.01, 0.10, 0.05)),
    "own_models_gain": tuple({"per_language": own({"es": gain, "hi": gain})} for gain in (0.02, -0.02, 0.001)),
    "latin_script_gains_most": tuple(
        {"per_language": own({"es": latin, "fr": latin, "hi": 0.0, "bg": 0.0})} for latin in (0.07, -0.07, 0.005)
    ),
    "french_gains_most": tuple({"per_language": own({"fr": gain, "es": 0.02, "hi": 0.0})} for gain in (0.07, -0.05, 0.025)),
    "bulgarian_loses": tuple({"per_language": own({"bg": gain})} for gain in (-0.04, 0.04, 0.001)),
    "joint_model_gains_nothing": tuple(joint({"es": gap, "hi": gap}, "zero-shot") for gap in (0.0001, 0.05, 0.012)),
    "own_models_beat_the_joint_model": tuple(joint({"es": gap, "hi": gap}, "own model") for gap in (-0.03, 0.03, 0.001)),
    "many_models_cost_more": ({"one_or_many": sizes(1500)}, {"one_or_many": sizes(400)}, {"one_or_many": sizes(1).iloc[:0]}),
    "joint_model_helps_costly_languages": tuple(
        COSTLY | {"equal_effort": equal_effort(EXAMPLES, "th", gap)} for gap in (0.03, -0.03, None)
    ),
    "joint_model_costs_strong_languages": tuple(
        STRONG | {"equal_effort": equal_effort(UPDATES, "es", gap)} for gap in (-0.03, 0.03, None)
    ),
    "joint_model_is_nearly_as_good": tuple(STRONG | joint({"es": gap}, "own model") for gap in (-0.02, -0.2, -0.05)),
    "more_languages_cost_accuracy": tuple(two_joint(gap) for gap in (-0.03, 0.03, 0.001)),
}


def results(tables: dict[str, pd.DataFrame]) -> Results:
    return Results("toy", tables, LANGUAGES, "en", SETTINGS)


@pytest.mark.parametrize("name", sorted(TESTS))
@pytest.mark.parametrize(("place", "verdict"), list(enumerate([SUPPORTED, CONTRADICTED, UNDECIDED])))
def test_planted_tables_get_their_verdict(name, place, verdict):
    decision = TESTS[name](results(PLANTED[name][place]))
    assert decision.verdict == verdict, decision
    assert decision.why and (decision.numbers or verdict == UNDECIDED), decision


def test_every_claim_has_a_test_or_a_reason_and_every_test_a_claim():
    assert set(TESTS) == set(PLANTED)
    named = {row["test"] for row in claims_of(CLAIMS, "transfer") if row["test"]}
    assert named == set(TESTS)
    assert list(CLAIMS.columns) == COLUMNS
    assert not CLAIMS.duplicated(["source", "claim"]).any()


def test_where_nothing_carries_over_there_is_nothing_to_relate():
    tables = NO_TRANSFER | {"correlation": correlation(-0.9, 14, "zero-shot", "accuracy")}
    for name in ("fertility_goes_with_accuracy", "latin_script_carries_over", "arabic_and_greek_are_worst"):
        decision = TESTS[name](results(tables))
        assert (decision.verdict, decision.why) == (UNDECIDED, claims.NO_TRANSFER)


def test_a_claim_about_another_model_is_left_open_and_decided_for_its_own():
    rows = claims_of(CLAIMS[CLAIMS["test"] == "most_of_the_lead_is_kept"], "transfer")
    tables = {"retention": retained(0.6)}
    for model, verdict in (("toy", UNDECIDED), ("qwen2.5-0.5b", CONTRADICTED)):
        found = Results(model, tables, LANGUAGES, "en", SETTINGS)
        assert [row["verdict"] for row in verdicts(rows, TESTS, found)] == [verdict]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_tables(write_study(tmp_path_factory.mktemp("study")))


def test_the_table_has_every_claim_and_its_verdict(made):
    table = made["claims"]
    assert table["claim"].tolist() == [row["claim"] for row in claims_of(CLAIMS, "transfer")]
    assert set(table["verdict"]) == {SUPPORTED, CONTRADICTED, UNDECIDED}
    assert table["why"].notna().all() and table[table["verdict"] != UNDECIDED]["numbers"].notna().all()
    carried = table[table["test"] == "some_languages_carry_over"].iloc[0]
    assert carried["verdict"] == SUPPORTED and carried["n"] == 900 and carried["numbers"].startswith(("es +", "de +"))


def test_the_share_of_the_lead_is_that_of_the_accuracies(made):
    table, accuracy = made["retention"], made["zero_shot"].set_index("language")
    row = table[(table["regime"] == "zero-shot") & (table["language"] == "es")].iloc[0]
    lead, source = (accuracy.loc[code, "accuracy"] - accuracy.loc[code, "chance"] for code in ("es", "en"))
    assert row["share"] == pytest.approx(lead / source, rel=1e-4)
    assert row["share_low"] < row["share"] < row["share_high"]
    assert (row["share_high"] - row["share_low"]) == pytest.approx(2 * 1.96 * SPREAD / source, rel=0.35)
    constant = table[(table["regime"] == "zero-shot") & (table["language"] == "th")].iloc[0]
    assert constant["share"] == 0  # it answers one label to everything


SPREAD = (0.24 * 2 / 3 / 900) ** 0.5 * 1.15  # of an accuracy of two seeds near 0.45, by three rows a premise


def cell(right: np.ndarray, first: int = 0) -> Cell:
    """A model that answers these rows rightly, three to a premise; first: the lowest id."""
    return answers.cell(answers.choices(right).assign(id=np.arange(len(right)) + first))


def test_no_share_without_a_lead_and_none_of_other_rows():
    rng = np.random.default_rng(1)
    good, guessed = cell(rng.random(900) < 0.7), cell(np.tile([True, False, False], 300))
    assert "not clear of 0" in kept(good, guessed, SETTINGS)["refused"]
    assert "share" in kept(guessed, good, SETTINGS)
    assert "translations" in kept(good, cell(rng.random(900) < 0.7, 1000), SETTINGS)["refused"]


def test_intervals_of_shares_cover_the_truth():
    """Also where the lead is barely clear of 0, and the two languages are right in the same premises."""
    rng, covered, runs = np.random.default_rng(2), 0, 0
    few = Settings(0.95, 400, 0)
    for _ in range(400):
        easy = np.repeat(rng.normal(0, 0.15, 100), 3)
        first, second = (cell(rng.random(300) < np.clip(at + easy, 0, 1)) for at in (0.40, 0.50))
        if (row := kept(first, second, few)).get("share") is not None:
            runs += 1
            covered += row["share_low"] <= (0.40 - CHANCE) / (0.50 - CHANCE) <= row["share_high"]
    assert runs > 390
    assert 0.92 <= covered / runs <= 0.98


def test_a_setting_counts_only_where_nothing_else_differs_and_by_the_factor_that_was_claimed():
    found = settings(1e-4, 4, -0.02)
    assert TESTS["higher_rate_is_worse"](results({"hyperparameters": found})).verdict == SUPPORTED
    for other in (settings(1e-3, 4, -0.02), settings(1e-4, 8, -0.02), found.assign(warmup=[0, 0.1])):
        assert TESTS["higher_rate_is_worse"](results({"hyperparameters": other})).verdict == UNDECIDED
