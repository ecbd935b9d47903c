"""The tables on a study whose accuracies are known."""

import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from carryover.analysis.predictions import Cell
from carryover.analysis.published import compare_published, expected_english, for_recipe, read_published, zero_shot
from carryover.analysis.study import Study
from carryover.planning.paths import EvaluationSet, System
from carryover.reporting.formatting import Words
from chapters.transfer import tables
from chapters.transfer.summary import results_table
from synthetic_study import (
    CHAPTER,
    CONFIG,
    LANGUAGES,
    ROOT,
    SKILL,
    make_figures,
    make_tables,
    write_fertility,
    write_likelihood,
    write_predictions,
    write_run,
    write_study,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def made(study):
    return make_tables(study)


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    assert len(table) == 1, where
    return table.iloc[0]


def test_accuracy_is_what_the_predictions_say(study, made):
    path = study / "predictions/toy/nli/full/lr_high/en/seed1/nli/full/es.test.parquet"
    rows = pd.read_parquet(path)
    right = (rows[["logp_0", "logp_1", "logp_2"]].to_numpy().argmax(axis=1) == rows["target"]).to_numpy()
    row = one(made["accuracy"], variant="lr_high", train="en", seed=1, view="full", split="test", language="es")
    assert (row["n"], row["clusters"]) == (900, 300)
    assert row["accuracy"] == pytest.approx(right.mean(), abs=1e-5)
    assert row["greedy_accuracy"] == pytest.approx((rows["greedy_label"] == rows["target"]).mean(), abs=1e-5)
    assert row["p_binomial"] == pytest.approx(
        stats.binomtest(int(right.sum()), 900, 1 / 3, alternative="greater").pvalue, rel=1e-4
    )
    spread = right.reshape(300, 3).mean(axis=1).std() / np.sqrt(300)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(1.96 * spread, rel=0.1)


def test_every_prediction_file_has_its_row(study, made):
    assert len(made["accuracy"]) == len(list(study.glob("predictions/*/*/*/*/*/*/nli/*/*.parquet")))
    tagging = len(list(study.glob("predictions/*/*/*/*/*/*/tagging/*/*.parquet")))
    assert made["scores"].groupby("task").size().to_dict() == {"nli": len(made["accuracy"]), "tagging": 2 * tagging}
    assert set(made) == set(CHAPTER.tables)


def test_every_task_is_scored_by_its_own_metrics(made):
    """Entities of which a share is not found; nothing is predicted wrongly beside them."""
    found = one(made["scores"], task="tagging", method="full", language="es", metric="entity_f1")
    assert found["value"] == pytest.approx(2 * 0.4 / 1.4) and (found["n"], found["clusters"]) == (150, 50)
    gain = one(made["score_differences"], task="tagging", language="es", metric="accuracy")
    assert gain["finding"] == "higher" and gain["difference"] == pytest.approx((0.9 - 0.6) * 2 / 3, abs=1e-5)
    nli = made["score_differences"][made["score_differences"]["task"] == "nli"]
    assert set(nli.loc[nli["variant"] == "baseline", "other"]) == {"toy/nli/full/lr_high/en"}
    same = one(made["accuracy"], method="full", variant="lr_high", train="es", split="test", language="es")
    twin = one(made["scores"], system="toy/nli/full/lr_high/es", split="test", language="es")
    assert twin[["value", "low", "high"]].tolist() == same[["accuracy", "low", "high"]].tolist()


def test_verdicts_follow_the_tests(made):
    zero_shot = made["zero_shot"].set_index("language")
    assert zero_shot.loc[["en", "es", "de"], "verdict"].tolist() == ["above chance"] * 3
    assert zero_shot.loc["ar", "verdict"] == "no evidence above chance"
    assert (zero_shot.loc["th", "verdict"], zero_shot.loc["th", "constant"]) == ("constant predictor", "entailment")
    assert zero_shot.loc["th", ["accuracy", "low", "high"]].tolist() == pytest.approx([1 / 3] * 3, abs=1e-5)
    assert (zero_shot["seeds"] == 2).all()
    assert zero_shot["category"].tolist() == ["good", "good", "good", "moderate", "moderate"]


def test_published_figures_come_with_the_reason_why_they_are_not_compared(made):
    row = one(made["zero_shot"], language="es")
    assert (row["published"], row["public_low"], row["public_high"], row["public_runs"]) == (0.4617, 0.4571, 0.48, 4)
    assert row["comparison"] == "not comparable: a toy model on the embedded corpus"
    assert np.isnan(row["published_difference"])
    assert one(made["fertility"], language="en", text="train")["published"] == 1.11
    assert one(made["hyperparameters"], variant="baseline", split="test")["published"] == 0.7882


def test_comparable_figures_get_a_difference_with_an_interval():
    score = {"accuracy": 0.46, "low": 0.44, "high": 0.48}
    row = compare_published(score, 0.45, "", (392_702, 392_702))
    assert row["comparison"] == "comparable"
    assert [row[f"published_{name}"] for name in ("difference", "low", "high")] == pytest.approx([0.01, -0.01, 0.03])
    assert compare_published(score, 0.45, "", (3_927, 392_702))["comparison"].startswith("not comparable: trained on 3,927 rows")
    assert compare_published(score, None, "")["comparison"] == "nothing published"


def test_figures_are_published_of_a_model_and_a_method(study):
    """Another model, or the same one trained otherwise, is not what was published; Qwen's own figures are its LoRA's."""
    config = CONFIG | {"comparable": True, "not_comparable_because": ""}
    for named, reason in (
        ("Qwen2.5-0.5B", "published of GPT-2 124M, method full"),
        (None, "published of GPT-2 124M, method full"),
    ):
        made = make_tables(study, config | {"published_as": {"toy": named, "other": None}})
        assert set(made["zero_shot"]["comparison"]) == {f"not comparable: {reason}"}
        assert set(made["hyperparameters"]["comparison"].dropna()) <= {f"not comparable: {reason}", "nothing published"}
    published = read_published(ROOT.glob("data/published/*.csv"))
    qwen = zero_shot(published, "th", "Qwen2.5-0.5B", "lora")
    assert (qwen["published"], qwen["public_runs"], qwen["published_model"]) == (0.6339, 1, "Qwen2.5-0.5B")
    assert zero_shot(published, "th", "Qwen2.5-0.5B", "full")["published_model"] == "GPT-2 124M"


def test_published_settings_are_found_by_their_recipe():
    published = read_published(ROOT.glob("data/published/*.csv"))
    assert for_recipe(published, {"lr": 1e-5, "batch_size": 4, "epochs": 1, "warmup": 0})["test_accuracy"] == 0.8108
    assert for_recipe(published, {"lr": 5e-5, "batch_size": 8, "epochs": 1, "warmup": 0})["test_accuracy"] == 0.802
    assert for_recipe(published, {"lr": 5e-5, "batch_size": 32, "epochs": 1, "warmup": 0.1}) == {}
    low, high, runs, rows = expected_english(published)
    assert (low, high, runs, rows) == (0.7768, 0.7938, 6, 392_702)


def test_differences_are_paired_and_name_what_could_have_been_seen(made):
    gain = one(made["differences"], regime="own model", other="zero-shot", language="es")
    assert gain["finding"] == "higher"
    assert gain["difference_low"] < gain["difference"] < gain["difference_high"]
    none = one(made["differences"], regime="own model", other="zero-shot", language="ar")
    assert none["finding"] == "no evidence of a difference"
    assert 0.01 < none["detectable"] < 0.15
    joint = one(made["differences"], regime="joint model", other="own model", language="ar")
    assert (joint["examples"], joint["other_examples"]) == (6000, 2000)
    assert joint["seen"]


def test_joint_and_single_models_are_compared_only_where_they_were_trained_as_long(made):
    by_examples = made["equal_effort"][made["equal_effort"]["equal_in"] == "examples of the language"].set_index("language")
    assert by_examples.loc["ar", ["joint_examples", "single_examples"]].tolist() == [2000, 2000]
    assert by_examples["missing"].isna().all()
    same = one(made["differences"], regime="joint model", other="own model", language="ar")
    assert by_examples.loc["ar", "difference"] == same["difference"]
    by_updates = made["equal_effort"][made["equal_effort"]["equal_in"] == "updates"].set_index("language")
    assert by_updates["difference"].isna().all()
    assert by_updates.loc["es", "missing"] == "lr_high joint with max_updates 500"


def test_the_nearest_runs_match_within_the_tolerance_and_with_one_recipe(study, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    write_run(other, "short", "joint", SKILL["lr_high", "joint"])
    path = other / "models/toy/nli/full/short/joint/seed0/training.json"
    record = json.loads(path.read_text())
    for updates, batch, expected in ((508, 4, True), (530, 4, False), (500, 8, False)):
        recipe = record["recipe"] | {"batch_size": batch, "max_updates": updates}
        path.write_text(json.dumps(record | {"updates": updates, "examples": updates * batch, "recipe": recipe}))
        table = make_tables(other)["equal_effort"]
        row = one(table, equal_in="updates", language="es")
        assert (row["variant"] == "short" and row["n"] == 900) == expected, (updates, batch)


def test_the_reports_tables_are_set_against_ours(made):
    row = one(made["per_language"], language="es")
    assert row["improvement_published"] == pytest.approx(0.5311 - 0.4617)
    assert row["difference"] == pytest.approx(row["accuracy"] - row["zero_shot"], abs=1e-5)
    assert row["improvement_comparison"] == "not comparable: a toy model on the embedded corpus"
    mean = one(made["per_language"], language="mean")
    assert mean["improvement_published"] == pytest.approx(0.0230, abs=1e-4)  # the report states 2.31
    assert mean["difference"] == pytest.approx(made["per_language"]["difference"].iloc[:-1].mean(), abs=1e-5)
    assert one(made["zero_shot"], language="es")["published_category"] == "good"
    fertility = one(made["fertility"], language="es", text="train")
    assert fertility["comparison"].startswith("not comparable: counted on 180 rows, the published value on 3,927")


def test_comparable_studies_get_differences_with_intervals(study, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    for path in other.glob("models/**/training.json"):
        record = json.loads(path.read_text())
        rows = 392_702 if path.parent.parent.name == "en" else 3927
        path.write_text(
            json.dumps(
                record
                | {"rows": rows, "recipe": record["recipe"] | {"lr": {"lr_high": 1e-4}.get(path.parent.parent.parent.name, 5e-5)}}
            )
        )
    table = pd.read_csv(other / "fertility/bpe/nli.csv")
    table.assign(rows=3927).to_csv(other / "fertility/bpe/nli.csv", index=False)
    made = make_tables(other, CONFIG | {"comparable": True, "not_comparable_because": ""})
    row = one(made["per_language"], language="es")
    assert row["improvement_difference"] == pytest.approx(row["difference"] - (0.5311 - 0.4617), abs=1e-5)
    assert row["improvement_low"] < row["improvement_difference"] < row["improvement_high"]
    assert one(made["per_language"], language="mean")["improvement_comparison"] == "not comparable: other languages"
    other_primary = one(made["hyperparameters"], variant="baseline", split="test")
    assert other_primary["finding"] == "lower" and np.isnan(other_primary["delta_difference"])  # to no published baseline
    comparable = {"comparable": True, "not_comparable_because": "", "primary_variant": "baseline"}
    changed = one(make_tables(other, CONFIG | comparable)["hyperparameters"], variant="lr_high", split="test")
    assert changed["delta_difference"] == pytest.approx(changed["difference"] - (0.7401 - 0.7882), abs=1e-5)
    assert changed["delta_low"] < changed["delta_difference"] < changed["delta_high"]
    words = one(made["fertility"], language="es", text="train")
    assert (words["comparison"], words["published_difference"]) == ("comparable", pytest.approx(1.8 - 1.83, abs=1e-5))
    assert words["published_low"] < words["published_difference"] < words["published_high"]
    public = made["public_runs"]
    rerun = one(public, source="laurilehto1", setting="baseline lr=5e-5 batch=4 (rerun)")
    assert rerun["comparison"] == "comparable"
    assert one(public, setting="baseline, first 10% of rows")["comparison"].startswith("not comparable: trained on 392,702 rows")
    assert public[public["setting"].str.contains("tiny")]["comparison"].tolist() == ["not comparable: another model"]


def test_the_literature_is_shown_with_the_nearest_regime_and_never_compared(made):
    table = made["literature"]
    assert table["comparison"].str.startswith("not comparable: ").all()
    assert one(table, published_model="XLM-R large", language="es")["regime"] == "joint model"
    assert one(table, published_model="LASER", language="es")["regime"] == "zero-shot"
    assert set(table["language"]) == set(LANGUAGES)


def test_controls_need_no_premise(made):
    english = made["controls"][(made["controls"]["train"] == "en") & (made["controls"]["language"] == "en")].set_index("control")
    assert english.loc["majority", "accuracy"] == pytest.approx(1 / 3, abs=1e-5)
    assert english.loc["hypothesis only", "control_model"] == "toy/nli/full/blind/en"
    assert english.loc["hypothesis only", "finding"] == "higher"
    assert english.loc["premises shuffled", "n"] == 900


def test_other_tables_hold_together(made):
    shares = made["confusion"].groupby(["train", "language", "gold"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(1, abs=1e-4)
    assert one(made["one_or_many"], approach="many models")["model_bytes"] == 3 * 27_600_000
    assert set(made["seeds"]["train"]) == {"en"}
    assert set(made["correlation"]["n"]) <= {2, 4}
    assert made["transfer_matrix"]["method"].eq("none").sum() == 5
    assert one(made["data"], language="th", split="test")["premise_cut"] == 1


def test_a_study_that_lacks_almost_everything_has_empty_tables(tmp_path):
    study = tmp_path / "results" / "little"
    write_predictions(study / "predictions/toy/none/none/none/none/seed0", {"en": 0.0}, "nli/full", "little")
    write_fertility(study / "fertility/bpe/nli.csv")
    made = make_tables(study)
    assert len(made["accuracy"]) == 2
    assert made["regimes"].empty
    assert list(made["regimes"].columns[:4]) == ["model", "task", "method", "variant"]


def test_the_terminal_table(made):
    text = results_table(made["regimes"], Words({"en": "English"}, 1, 0.95, "en"))
    assert text.splitlines()[0].split() == ["language", "n", "zero-shot", "own", "model", "joint", "model"]
    assert text.splitlines()[1].startswith("English")
    assert "*" in text.splitlines()[1]
    assert "*" not in text.splitlines()[1 + LANGUAGES.index("th")].split("joint")[0].split("]")[0]


def test_the_order_of_files_changes_nothing(study, made, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    for name, table in make_tables(other).items():
        pd.testing.assert_frame_equal(table, made[name])


@pytest.mark.slow
def test_fifteen_languages_by_ten_models(tmp_path):
    rng = np.random.default_rng(0)
    rows = {"id": np.arange(5010), "cluster": np.repeat(np.arange(1670), 3), "target": np.tile([0, 1, 2], 1670)}
    cells = {}
    for place in range(150):
        system = System("toy", "nli", "full", f"variant{place // 15}", "en")
        asked = EvaluationSet("nli", "full", "test", f"l{place % 15}")
        logp = rng.normal(size=(5010, 3)).astype("float32")
        answered = {f"logp_{candidate}": logp[:, candidate] for candidate in range(3)} | {"greedy_label": logp.argmax(axis=1)}
        cells[system, asked] = Cell(
            system, asked, (0,), (pd.DataFrame(rows | answered),), ("entailment", "contradiction", "neutral")
        )
    started = time.process_time()
    table = tables.accuracy(Study(cells, {}, pd.DataFrame(), {}, CONFIG | {"resamples": 10_000}))
    print(f"150 cells, 10,000 resamples: {time.process_time() - started:.1f} s of processor time")
    assert len(table) == 150 and (table["low"] < table["accuracy"]).all() and (table["accuracy"] < table["high"]).all()


def test_each_model_is_held_against_its_own_tokeniser(study, tmp_path):
    """A second model's tokeniser finds dear what the first finds cheap; with accuracies alike, the relation turns round."""
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    for place in ("predictions", "models"):
        shutil.copytree(other / place / "toy/nli", other / place / "other/nli")
    table = pd.read_csv(study / "fertility/bpe/nli.csv")
    turned = table.assign(token_premium=10 / table["token_premium"], tokens_per_word=100 / table["tokens_per_word"])
    (other / "fertility/other").mkdir()
    turned.to_csv(other / "fertility/other/nli.csv", index=False)
    alone, both = make_tables(study), make_tables(other)

    correlation = both["correlation"].set_index(["model", "regime", "outcome", "predictor"])
    for measure in ("token_premium", "tokens_per_word"):
        toy, second = (correlation.loc[(model, "zero-shot", "accuracy", measure)] for model in ("toy", "other"))
        assert (toy["tokenizer"], second["tokenizer"]) == ("bpe", "other")
        assert toy["rho"] == pytest.approx(-second["rho"], abs=1e-5) and abs(toy["rho"]) > 0.5
    own = both["correlation"][both["correlation"]["model"] == "toy"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone["correlation"])  # as if the other were not there

    assert one(both["fertility"], tokenizer="other", text="dev", language="ar")["tokens_per_word"] == pytest.approx(
        100 / 4.7, rel=1e-5
    )
    pd.testing.assert_frame_equal(
        both["fertility"][both["fertility"]["tokenizer"] == "bpe"].reset_index(drop=True), alone["fertility"], check_dtype=False
    )
    claims = both["claims"][both["claims"]["test"] == "fertility_goes_with_accuracy"].groupby("model")["numbers"].unique()
    assert claims["toy"][0].startswith("rho -") and claims["other"][0].startswith("rho 0")

    make_figures(other)
    shown = pd.read_csv(other / "transfer/figures/premium.csv").set_index(["model", "language"])["token_premium"]
    assert shown["other", "ar"] == pytest.approx(10 / shown["toy", "ar"], rel=1e-4) and not shown.index.has_duplicates


EXPOSURE = {"en": 40.0, "es": 90.0, "de": 80.0, "ar": 120.0, "th": 60.0}  # nats a sentence


@pytest.fixture(scope="module")
def exposed(study, tmp_path_factory):
    """The study with likelihoods: of the model as it is in every language, of two runs in English; Thai has other sentences."""
    copy = shutil.copytree(study, tmp_path_factory.mktemp("exposed") / "study")
    spread = np.random.default_rng(0).normal(0, 5, 60)
    for language, nats in EXPOSURE.items():
        first = 500 if language == "th" else 0
        write_likelihood(copy, "toy/none/none/none/none/seed0", language, nats + spread, 50 if language == "en" else 80, first)
    for seed in (0, 1):
        write_likelihood(copy, f"toy/nli/full/lr_high/en/seed{seed}", "en", (40 + spread) * (1.2 + 0.01 * seed), 50)
    write_likelihood(copy, "toy/nli/full/baseline/en/seed0", "en", 40 + spread + np.random.default_rng(1).normal(0, 0.5, 60), 50)
    return make_tables(copy)


def test_exposure_stands_beside_premium_and_fertility(made, exposed):
    """Only where the sentences are parallel; nothing else of the table changes but Holm's family."""
    table = exposed["correlation"].set_index(["regime", "outcome", "predictor"])
    row = table.loc[("zero-shot", "accuracy", "bits_per_sentence")]
    reached = exposed["zero_shot"].set_index("language")["accuracy"]
    parallel = ["es", "de", "ar"]
    assert row["n"] == 3 and row["languages"] == "es de ar th"
    expected = stats.spearmanr([EXPOSURE[language] for language in parallel], reached[parallel]).statistic
    assert np.isnan(row["rho"]) or row["rho"] == pytest.approx(expected)  # three languages are too few for a test
    others = exposed["correlation"][exposed["correlation"]["predictor"] != "bits_per_sentence"].reset_index(drop=True)
    left = others.drop(columns="p_holm")
    pd.testing.assert_frame_equal(left, made["correlation"].drop(columns="p_holm"))
    assert set(made["correlation"]["predictor"]) == {
        "token_premium",
        "tokens_per_word",
        "tokens_per_character",
        "bytes_per_token",
    }
    assert set(exposed) == set(made) and made["likelihood"].empty


def test_bits_are_of_sentences_and_of_bytes(exposed):
    for language, nats in EXPOSURE.items():
        known = {"train": "none", "language": language}
        sentence = one(exposed["likelihood"], metric="bits_per_sentence", **known)
        mean = nats + np.random.default_rng(0).normal(0, 5, 60).mean()
        assert sentence["value"] == pytest.approx(mean / np.log(2), rel=1e-5)
        assert sentence["low"] < sentence["value"] < sentence["high"] and sentence["n"] == 60
        byte = one(exposed["likelihood"], metric="bits_per_byte", **known)
        assert byte["value"] == pytest.approx(sentence["value"] / (50 if language == "en" else 80), rel=1e-5)
        assert pd.isna(byte["difference"])


def test_what_tuning_forgot_is_paired_by_sentence(exposed):
    table = exposed["likelihood"]
    forgot = one(table, variant="lr_high", language="en", metric="bits_per_byte")
    before = one(table, variant="none", language="en", metric="bits_per_byte")
    assert forgot["seeds"] == 2 and forgot["finding"] == "higher"
    assert forgot["difference"] == pytest.approx(0.205 * before["value"], rel=1e-4)
    assert forgot["difference_high"] - forgot["difference_low"] < before["high"] - before["low"]  # the same sentences
    assert one(table, variant="baseline", language="en", metric="bits_per_byte")["finding"] == "no evidence of a difference"
