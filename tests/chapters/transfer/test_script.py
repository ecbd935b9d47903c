"""What script alone costs, on a study where it is known: Arabic gains in Latin letters, English loses in Greek ones."""

import numpy as np
import pandas as pd
import pytest

from carryover.analysis.comparison import ABOVE, HIGHER, LOWER, NO_DIFFERENCE
from carryover.reporting.formatting import Words
from chapters.transfer import sentences
from synthetic_study import CONFIG, SKILL, make_figures, make_report, make_tables, write_predictions, write_study

SCRIPTS = {"latin": ["ar", "th"], "cyrillic": [], "greek": ["en"]}
PLANTED = {"latin": {"ar": 0.4, "th": 0.0}, "greek": {"en": 0.05}}
WORDS = Words({"en": "English", "ar": "Arabic", "th": "Thai"}, 1, 0.95, "en")
ENGLISH = "toy/nli/full/lr_high/en"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The synthetic study, with its English model of two seeds asked in other scripts."""
    study = write_study(tmp_path_factory.mktemp("script"))
    for seed in (0, 1):
        for view, skills in PLANTED.items():
            write_predictions(study / f"predictions/{ENGLISH}/seed{seed}", skills, f"nli/{view}", "script", seed)
    path = study / "fertility/bpe/nli.csv"
    table = pd.read_csv(path, keep_default_na=False)
    dev = table[(table["text"] == "dev") & table["language"].isin(["ar", "en"])]
    text = dev["language"].map({"ar": "dev in latin", "en": "dev in greek"})
    pd.concat([table, dev.assign(text=text, token_premium=[1.5, 2.5])]).to_csv(path, index=False)
    return study


@pytest.fixture(scope="module")
def made(study):
    return make_tables(study, CONFIG | {"other_scripts": SCRIPTS})


def test_each_language_stands_beside_itself_in_its_own_script(study, made):
    table = made["script"].set_index("language")
    assert table["view"].to_dict() == {"ar": "latin", "th": "latin", "en": "greek"}
    assert set(table["seeds"]) == {2} and set(table["n"]) == {900} and set(table["clusters"]) == {300}
    for language, row in table.iterrows():
        files = [
            [pd.read_parquet(study / f"predictions/{ENGLISH}/seed{seed}/nli/{view}/{language}.test.parquet") for seed in (0, 1)]
            for view in (row["view"], "full")
        ]
        other, own = (
            np.mean([(one[["logp_0", "logp_1", "logp_2"]].to_numpy().argmax(1) == one["target"]).mean() for one in tables])
            for tables in files
        )
        assert row["accuracy"] == pytest.approx(other, abs=1e-5) and row["original"] == pytest.approx(own, abs=1e-5)
        assert row["difference"] == pytest.approx(other - own, abs=1e-5)


def test_findings_are_those_that_were_planted(made):
    table = made["script"].set_index("language")
    assert table["finding"].to_dict() == {"ar": HIGHER, "th": NO_DIFFERENCE, "en": LOWER}
    assert table.loc["ar", "difference_low"] > 0 > table.loc["en", "difference_high"]
    assert table.loc["en", "original_verdict"] == ABOVE != table.loc["ar", "original_verdict"]
    assert table.loc["en", "difference"] == pytest.approx((0.05 - SKILL["lr_high", "en"]["en"]) * 2 / 3, abs=0.05)
    assert (table["p_difference"] >= table["p_paired"]).all() and (table["p_difference"] <= 3 * table["p_paired"] + 1e-5).all()


def test_the_interval_is_paired_and_over_premises(study, made):
    """Against a plain bootstrap of premises and seeds, of the difference itself."""
    right = []
    for view in ("latin", "full"):
        tables = [pd.read_parquet(study / f"predictions/{ENGLISH}/seed{seed}/nli/{view}/ar.test.parquet") for seed in (0, 1)]
        right.append([t[["logp_0", "logp_1", "logp_2"]].to_numpy().argmax(1) == t["target"] for t in tables])
    by_premise = (np.array(right[0], float) - np.array(right[1], float)).reshape(2, 300, 3).sum(axis=2)
    rng = np.random.default_rng(1)
    drawn = [by_premise[rng.integers(0, 2, 2)][:, rng.integers(0, 300, 300)].sum() / 1800 for _ in range(4000)]
    row = made["script"].set_index("language").loc["ar"]
    spread = (row["difference_high"] - row["difference_low"]) / 2
    assert spread == pytest.approx(np.subtract(*np.quantile(drawn, [0.975, 0.025])) / 2, rel=0.25)


def test_premiums_are_those_before_and_after(made):
    table = made["script"].set_index("language")
    assert table.loc["ar", "script_premium"] == 2.5 and table.loc["en", "script_premium"] == 1.5
    assert table.loc["en", "original_premium"] == 1 and pd.isna(table.loc["th", "script_premium"])
    assert table.loc["ar", "script_premium_low"] < 2.5 < table.loc["ar", "script_premium_high"]


def test_the_sentence_follows_the_test(made):
    said = " ".join(sentences.script(made, WORDS))
    assert "The same text in Latin letters beats its own script in Arabic (+" in said
    assert "The same text in Greek letters falls behind its own script in English (" in said
    assert "In Thai neither the same text in Latin letters nor its own script is above chance" in said
    assert "no evidence of a difference" not in said  # of which nothing could have been seen
    assert "Latin letters take the token premium from 3.79 to 2.50 in Arabic." in said
    assert list(made["script"]["view"]) == ["latin", "latin", "greek"] and made["script"].columns.is_unique
    turned = made["script"].assign(finding=NO_DIFFERENCE, verdict=ABOVE)
    said = " ".join(sentences.script(made | {"script": turned}, WORDS))
    assert "beats" not in said and "behind" not in said and "neither" not in said
    assert "no evidence of a difference between the same text in Latin letters and its own script in Arabic and Thai" in said


def test_the_page_shows_it_only_where_a_study_has_it(study, made):
    make_figures(study)
    page = make_report(study, CONFIG)
    assert "What script alone costs" in page and "uroman" in page
    plain = make_tables(study)
    assert plain["script"].empty and sentences.script(plain, WORDS) == []
    page = make_report(study, CONFIG)
    assert "What script alone costs" not in page and "uroman" not in page
