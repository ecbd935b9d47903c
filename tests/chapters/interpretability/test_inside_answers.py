"""What the chapter says and decides follows its tables: planted ones that show something, its reverse, and nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from carryover.analysis.claims import COLUMNS, CONTRADICTED, SUPPORTED, UNDECIDED, Results, claims_of, deciding_tests
from carryover.analysis.records import read_csv
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import RANDOM, System, as_it_is
from carryover.reporting.chapters import FILE, FOLDER, Figure, Table, read_chapter
from carryover.reporting.formatting import Words
from carryover.reporting.functions import function, parts
from carryover.reporting.style import Look
from carryover.runtime.parts import load
from chapters.interpretability import ablation, answer, claims, prediction, sentences, tables
from chapters.interpretability.readings import attention_rows, clustered_mean, lens_rows, sentence_row
from chapters.interpretability.sources import AS_IT_IS, AT_RANDOM, TUNED, Inside, of_subjects
from synthetic_study import ROOT

SETTINGS = Settings(0.95, 2000, 0)
SCRIPTS = read_csv(ROOT / "data/languages.csv").set_index("language")["script"].to_dict()
LANGUAGES = list(SCRIPTS)
OTHERS = [code for code in LANGUAGES if code != "en"]
SUBJECTS = {
    AS_IT_IS: as_it_is("toy"),
    AT_RANDOM: System("toy", "none", "none", RANDOM, "none"),
    TUNED: System("toy", "nli", "full", "baseline", "en"),
}
TESTS = deciding_tests(claims)
NO_NEURONS = pd.DataFrame(columns=ablation.COLUMNS)
PUBLISHED = read_csv(ROOT / "data/published/layer_similarity.csv")


def words() -> Words:
    return Words({}, 1, 0.95, "en")


def similarity(cka: dict[str, list[float]], error: float = 0.01) -> pd.DataFrame:
    """CKA of three hidden states by language."""
    return pd.DataFrame(
        {"language": code, "layer": layer, "measure": "cka", "value": value, "error": error, "null": 0.0, "p": 0.001, "n": 100}
        for code, values in cka.items()
        for layer, value in enumerate(values)
    )


def flat(value: float) -> dict[str, list[float]]:
    return {code: [value] * 3 for code in OTHERS}


def attention(entropy: dict[str, float]) -> pd.DataFrame:
    rows = (
        {"language": code, "layer": 1, "head": 0, "value": value, "error": 0.005, "n": 100} for code, value in entropy.items()
    )
    return pd.DataFrame(row | {"measure": name} for row in rows for name in ("entropy", "first", "previous"))


def results(cka=None, entropy=None, accuracy=None) -> Results:
    study = inside({state: similarity(cka or flat(0.3)) for state in SUBJECTS}, entropy)
    reached = accuracy or {code: 0.4 + 0.01 * place for place, code in enumerate(OTHERS)}
    languages = pd.DataFrame({"state": TUNED, "language": list(reached), "accuracy": list(reached.values())})
    made = {"similarity": tables.similarity(study), "attention": tables.attention(study), "languages": languages}
    return Results("toy", made, SCRIPTS, "en", SETTINGS)


def inside(similarities: dict[str, pd.DataFrame], entropy: dict[str, float] | None = None) -> Inside:
    entropy = entropy or dict.fromkeys(LANGUAGES, 0.8)
    costs = pd.DataFrame({"language": LANGUAGES, "n": 100, "tokens": np.linspace(10, 60, 15), "bits": np.linspace(100, 300, 15)})

    def every(table: pd.DataFrame) -> pd.DataFrame:
        return of_subjects(dict.fromkeys(SUBJECTS.values(), table))

    return Inside(
        config={"confidence": 0.95, "resamples": 2000, "seed": 0, "source_language": "en", "languages": LANGUAGES, "task": "nli"},
        representations=of_subjects({SUBJECTS[state]: table for state, table in similarities.items()}),
        attention=every(attention(entropy)),
        sentences=every(costs),
        lens=every(pd.DataFrame()),
        ablation=every(pd.DataFrame()),
        cells={},
        scripts=SCRIPTS,
        claims=pd.DataFrame(columns=COLUMNS),
        published=PUBLISHED,
    )


def by(x: dict[str, float]) -> dict[str, float]:
    """Accuracies that follow a quantity."""
    return {code: 0.4 + 0.1 * value for code, value in x.items()}


RISING = dict(zip(OTHERS, np.linspace(0.1, 0.9, len(OTHERS)), strict=True))
MIXED = dict(zip(OTHERS, np.random.default_rng(5).permutation(np.linspace(0.1, 0.9, len(OTHERS))), strict=True))
APART = flat(0.5) | {"el": [0.1] * 3}
CASES = {
    "spanish_and_german_attend_more_narrowly": [
        (SUPPORTED, {"entropy": dict.fromkeys(LANGUAGES, 0.6) | {"el": 0.8}}),
        (CONTRADICTED, {"entropy": dict.fromkeys(LANGUAGES, 0.8) | {"el": 0.6}}),
        (UNDECIDED, {}),
    ],
    "spanish_and_german_start_aligned": [
        (SUPPORTED, {"cka": APART}),
        (CONTRADICTED, {"cka": flat(0.2) | {"el": [0.6] * 3}}),
        (UNDECIDED, {}),
    ],
    "early_alignment_goes_with_accuracy": [
        (SUPPORTED, {"cka": {code: [x] * 3 for code, x in RISING.items()}, "accuracy": by(RISING)}),
        (CONTRADICTED, {"cka": {code: [1 - x] * 3 for code, x in RISING.items()}, "accuracy": by(RISING)}),
        (UNDECIDED, {"cka": {code: [x] * 3 for code, x in MIXED.items()}, "accuracy": by(RISING)}),
    ],
    "languages_converge": [
        (SUPPORTED, {"cka": {code: [0.1, 0.3, 0.5] for code in OTHERS}}),
        (CONTRADICTED, {"cka": {code: [0.1, 0.3, 0.5] for code in OTHERS} | {"sw": [0.5, 0.3, 0.1]}}),
        (UNDECIDED, {}),
    ],
    "greek_converges_most": [
        (SUPPORTED, {"cka": flat(0.5) | {"el": [0.1, 0.3, 0.5]}}),
        (CONTRADICTED, {"cka": flat(0.5) | {"el": [0.5, 0.3, 0.1]}}),
        (UNDECIDED, {}),
    ],
    "convergence_goes_against_accuracy": [
        (SUPPORTED, {"cka": {code: [0.0, 0.0, 1 - x] for code, x in RISING.items()}, "accuracy": by(RISING)}),
        (CONTRADICTED, {"cka": {code: [0.0, 0.0, x] for code, x in RISING.items()}, "accuracy": by(RISING)}),
        (UNDECIDED, {"cka": {code: [0.0, 0.0, x] for code, x in MIXED.items()}, "accuracy": by(RISING)}),
    ],
}


def test_every_test_has_its_cases_and_its_claim():
    listed = claims_of(read_csv(ROOT / "data/published/claims.csv"), "interpretability")
    assert set(CASES) == set(TESTS) == {row["test"] for row in listed if row["test"]}


@pytest.mark.parametrize(("name", "verdict", "planted"), [(name, *case) for name, cases in CASES.items() for case in cases])
def test_a_verdict_follows_what_is_planted(name, verdict, planted):
    decision = TESTS[name](results(**planted))
    assert decision.verdict == verdict, decision
    assert decision.numbers and decision.n


@pytest.mark.parametrize("name", CASES)
def test_where_nothing_was_read_nothing_is_decided(name):
    empty = {label: table.iloc[:0] for label, table in results().tables.items()}
    decision = TESTS[name](replace(results(), tables=empty))
    assert decision.verdict == UNDECIDED and decision.why


def predictors(monkeypatch, **columns: np.ndarray) -> pd.DataFrame:
    """The table of predictors where each language has these values; accuracy is one of them."""
    rows = pd.DataFrame({"model": "toy", "state": TUNED, "language": OTHERS} | columns)
    monkeypatch.setattr(prediction, "languages", lambda study: rows)
    study = inside({state: similarity(flat(0.3)) for state in SUBJECTS})
    study.config["predictors"] = ["token_premium", "entropy", "cka"]
    return prediction.predictors(study)


def said(table: pd.DataFrame) -> str:
    return " ".join(answer.predicted({"predictors": table}, words()))


def test_the_answer_changes_with_the_data(monkeypatch):
    rng = np.random.default_rng(8)
    premium, own, noise = (rng.permutation(np.linspace(1, 5, 14)) for _ in range(3))
    follows = {"accuracy": own / 10, "cka": own, "entropy": noise, "token_premium": premium}
    text = said(predictors(monkeypatch, **follows))
    assert "With zero-shot accuracy over 14 languages go CKA at the middle state of the model fine-tuned" in text
    assert "beyond the tokeniser, there is evidence for CKA" in text and "attention entropy" not in text
    tokeniser = {"accuracy": -premium / 10, "cka": -premium + 0.4 * noise, "entropy": noise, "token_premium": premium}
    text = said(predictors(monkeypatch, **tokeniser))
    assert "go CKA at the middle state" in text and "no evidence that any of them does" in text
    nothing = {"accuracy": own, "cka": rng.permutation(own), "entropy": noise, "token_premium": premium}
    text = said(predictors(monkeypatch, **nothing))
    assert "No measure from inside goes clearly" in text and "weaker ones are not ruled out" in text
    few = {"accuracy": np.full(14, 0.33), "cka": own, "entropy": noise, "token_premium": premium}
    assert "cannot be said" in said(predictors(monkeypatch, **few))


def test_what_was_learnt_is_beyond_random_weights():
    study = inside({AS_IT_IS: similarity(flat(0.6)), AT_RANDOM: similarity(flat(0.2)), TUNED: similarity(flat(0.1))})
    made = {"similarity": tables.similarity(study), "tuning": tables.tuning(study)}
    rows = made["similarity"].set_index("state")
    assert rows.loc[AS_IT_IS, "learnt"].to_numpy() == pytest.approx(0.4) and rows.loc[AT_RANDOM, "learnt"].isna().all()
    text = " ".join(sentences.alignment(made, words()))
    assert "beyond the same model at random weights in 14 of them" in text and "in 0 of them, and below it in 14" in text
    assert "less alike in" in " ".join(answer.changed(made, words()))
    study = inside(dict.fromkeys(SUBJECTS, similarity(flat(0.3))))
    assert "no evidence that tuning" in " ".join(answer.changed({"tuning": tables.tuning(study)}, words()))


def test_a_study_that_tunes_nothing_and_finds_no_neurons_has_its_tables_figures_and_sentences():
    study = inside({AS_IT_IS: similarity(flat(0.6)), AT_RANDOM: similarity(flat(0.2))})
    lens = {"language": "en", "layer": 0, "value": 0.5, "error": 0.1, "n": 9}
    made = pd.DataFrame([lens | {"measure": name} for name in ("accuracy", "settled", "mass")])
    study = replace(study, lens=of_subjects({SUBJECTS[AS_IT_IS]: made}), ablation=of_subjects({SUBJECTS[AS_IT_IS]: NO_NEURONS}))
    chapter = read_chapter(FOLDER / "interpretability" / FILE)
    modules = load(parts({"interpretability": [*chapter.functions(Table).values(), *chapter.functions(Figure).values()]}))
    study.config["predictors"] = ["token_premium", "cka"]
    found = {name: function(modules, "interpretability", one)(study) for name, one in chapter.functions(Table).items()}
    look = Look(read_csv(ROOT / "data/languages.csv"), LANGUAGES, 0.95, "en", "okabe-ito", "family")
    for one in chapter.functions(Figure).values():
        figure, rows = function(modules, "interpretability", one)(found, look)
        assert figure and list(rows.columns)
    assert "cannot be said" in said(found["predictors"]) and answer.changed(found, words()) == []
    assert sentences.lost(found, words()) == ["None of the languages that were to go without their own neurons has any."]
    assert "hidden state 0 on in en" in sentences.appears(found | {"lens": found["lens"].assign(value=0.95)}, words())[0]


def test_without_neurons_of_its_own_a_language_costs_more():
    row = {"ablated": "de", "language": "de", "measure": "bits", "neurons": 8, "control": "as active", "value": 5.0, "error": 1.0}
    row |= {"beyond_error": 0.5, "n": 40}
    planted = pd.DataFrame([row | {"beyond": 4.0}, row | {"beyond": 0.1, "ablated": "fr"}])
    study = replace(inside(dict.fromkeys(SUBJECTS, similarity(flat(0.3)))), ablation=of_subjects({SUBJECTS[AS_IT_IS]: planted}))
    made = tables.ablation(study)
    assert made["p_holm"].tolist() == pytest.approx([2 * 1.2e-15, 0.841], abs=1e-3)
    assert "more bits than without as active others in 1 of 2 languages (de)" in sentences.lost({"ablation": made}, words())[0]


def test_rows_of_a_reading():
    rng = np.random.default_rng(0)
    attended = rng.uniform(size=(6, 2, 3, 3))
    attended[2] = np.nan
    rows = pd.DataFrame(attention_rows("de", {"attention": attended}))
    assert len(rows) == 2 * 3 * 3 and set(rows["n"]) == {5} and rows["layer"].tolist()[0] == 1
    assert rows["value"][0] == pytest.approx(np.nanmean(attended[:, 0, 0, 0]))
    row = sentence_row("de", {"nats": np.log(2) * np.array([1.0, 3.0]), "tokens": np.array([2, 4])})
    assert (row["bits"], row["tokens"], row["bits_error"]) == (2, 3, 1)
    logp = np.log(np.array([[[0.2, 0.1, 0.1], [0.1, 0.5, 0.1]], [[0.1, 0.2, 0.1], [0.1, 0.1, 0.6]]]))
    reading = {"logp": logp, "target": np.array([1, 2]), "cluster": np.array([7, 9]), "states": np.array([0, 5])}
    lens = pd.DataFrame(lens_rows("de", reading)).set_index(["layer", "measure"])["value"]
    assert lens[0, "accuracy"] == 0 and lens[5, "accuracy"] == 1 and lens[0, "settled"] == 0
    assert lens[0, "mass"] == pytest.approx(0.4) and lens[5, "mass"] == pytest.approx(0.75)


def test_a_clustered_standard_error_is_that_of_cluster_means():
    values, clusters = np.array([1.0, 1, 0, 0, 1, 1]), np.array([3, 3, 5, 5, 9, 9])
    mean, error = clustered_mean(values, clusters)
    assert (mean, error) == (pytest.approx(2 / 3), pytest.approx(np.std([1, 0, 1], ddof=1) / np.sqrt(3)))
