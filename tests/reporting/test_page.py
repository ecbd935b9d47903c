"""The report: sentences that follow the numbers, and a page that stands alone."""

import html.parser
import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from carryover.planning.schema import load_schema, task_terms
from carryover.reporting.columns import shown_columns
from carryover.reporting.formatting import Words, duration, listing, p_value, significant, size
from chapters.transfer import headline, sentences
from synthetic_study import (
    CHAPTER,
    CONFIG,
    LOOK,
    ROOT,
    SKILL,
    TRAINED,
    make_figures,
    make_report,
    make_tables,
    write_fertility,
    write_predictions,
    write_study,
)

TERMS = task_terms(load_schema(), "nli")
WORDS = Words({"en": "English", "es": "Spanish", "de": "German", "ar": "Arabic", "th": "Thai"}, 1, 0.95, "en", TERMS)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def tables(study):
    return make_tables(study)


@pytest.fixture(scope="module")
def report(study, tables):
    make_figures(study)
    return make_report(study)


def test_hedges_follow_the_tests(tables):
    said = " ".join(sentences.zero_shot(tables, WORDS))
    assert "above chance in 2 of the 4 other languages: Spanish" in said
    assert "There is no evidence above chance in Arabic." in said
    assert "In Thai it is a constant predictor: it answers entailment to every row." in said
    own = " ".join(sentences.own_models(tables, WORDS))
    assert "beats zero-shot transfer in Spanish" in own
    assert "no evidence of a difference between a model of the language's own and zero-shot transfer in Arabic" in own
    assert "has no demonstrable relation" in sentences.predictor(tables, WORDS)[0]
    assert "not comparable with this study (a toy model on the embedded corpus)" in sentences.source(tables, WORDS)[1]


def test_other_predictions_make_other_sentences(study, tables, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    for seed in (0, 1):
        skill = SKILL["lr_high", "en"] | {"es": 0.0, "ar": 0.3}
        write_predictions(other / f"predictions/toy/nli/full/lr_high/en/seed{seed}", skill, "nli/full", "changed", seed)
    changed = make_tables(other)
    said = " ".join(sentences.zero_shot(changed, WORDS))
    assert "There is no evidence above chance in Spanish." in said
    before, after = (" ".join(headline.summary(each, WORDS)) for each in (tables, changed))
    assert "in Spanish at " in before and "in Spanish at " not in after
    assert "in Arabic at " in after and "in Arabic at " not in before
    assert re.search(r"above chance in 2 of the 4 other languages: Arabic \S+ %", said.replace("\N{NO-BREAK SPACE}", " "))


def test_every_accuracy_of_the_summary_has_n_or_an_interval(tables):
    paragraph = " ".join(headline.summary(tables, WORDS))
    for found in re.finditer(r"\d+\.\d\N{NO-BREAK SPACE}%(?! \(n| \[|\)|;| interval)", paragraph):
        assert "public runs" in paragraph[: found.start()], paragraph[found.start() - 60 : found.end() + 20]


class Page(html.parser.HTMLParser):
    """What a page asks for, its ids, and its links within itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                (self.within if value.startswith("#") else self.asked).append(value)


def test_the_page_asks_for_nothing_and_its_links_lead_somewhere(report):
    parsed = Page(report)
    assert [link for link in parsed.asked if not link.startswith("data:")] == []
    assert "@import" not in report
    assert "fetch(" not in report
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.within} <= set(parsed.ids)
    assert any(link.startswith("#job-predictions-toy-nli-full-lr-high-en-seed0-nli-full") for link in parsed.within)
    assert len(report) < 8_000_000


def test_texts_from_outside_are_escaped(report):
    assert "<b>of</b>" not in report
    assert "&lt;b&gt;of" in report
    assert "stated &lt;here&gt;" in report
    assert "你好" in report
    assert 'dir="auto"' in report


def test_the_page_states_what_is_in_the_tables(report, tables):
    row = tables["zero_shot"].set_index("language").loc["es"]
    assert f"{WORDS.short(row)}" in report
    for section in CHAPTER.sections:
        assert f'<section id="transfer-{section.name}"' in report


def test_chapters_and_sections_are_numbered_in_their_order(report):
    heads = re.findall(r"<h([23]) id[^>]*>([0-9.]+) ([^<]+)</h", report)
    assert heads[0] == ("2", "1.", CHAPTER.title) and heads[1] == ("3", "1.1.", "Summary")
    assert heads[len(CHAPTER.sections)][1] == f"1.{len(CHAPTER.sections)}."
    assert heads[len(CHAPTER.sections) + 1][1:] == ("2.", "How this was made")


def test_published_columns_that_the_config_leaves_out_are_not_shown():
    columns = CHAPTER.tables["zero_shot"].columns
    everything, ours = (shown_columns(columns, whose) for whose in ({"report", "public_runs", "literature"}, set()))
    assert {"published", "published_category", "comparison", "public_low"} <= set(everything)
    assert not {name for name in ours if name.startswith(("published", "public"))} | ({"comparison"} & set(ours))
    assert "public_low" not in shown_columns(columns, {"report"})


def test_every_number_that_the_study_made_leads_to_its_job(report):
    rows = re.search(r'<details id="table-transfer-regimes".*?<tbody>(.*?)</tbody>', report, re.DOTALL)[1]
    cells = re.findall(r'<td class="number" data-sort="([^"]+)">(<a )?', rows)
    published = {str(value) for value in (0.7882, 0.4617, 0.4076, 0.3589, 0.3471, 0.5311, 0.3838)}
    assert {value for value, link in cells if not link} == published
    assert sum(bool(link) for _, link in cells) > 60


def test_the_plan_is_shown_with_what_jobs_spent(study, report, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    plan = pd.DataFrame(
        [
            ("models/toy/nli/full/lr_high/es/seed0", "finetune", 2000, 120_000, 500, 1e12, 62.0),
            ("fertility/bpe/nli", "fertility", 0, 0, 0, 0, 5.0),
        ],
        columns=["job", "stage", "examples", "tokens", "updates", "flops", "estimated_seconds"],
    )
    (other / "plan").mkdir()
    plan.to_csv(other / "plan/plan.csv", index=False)
    (other / "blast_radius.csv").write_text("leaf,tables,report\nreport.digits,,1\ntables.resamples,1,1\n", encoding="utf-8")
    changed = make_report(other)
    # What the job without provenance took is not known.
    assert "The plan predicted 62\N{NO-BREAK SPACE}s for the 1 jobs" in changed and "0.50 times as long" in changed
    assert "0.500" in re.search(r'<details id="table-report-planned".*?</details>', changed, re.DOTALL)[0]  # 31 s of 62 s
    matrix = re.search(r'<details id="table-report-blast_radius".*?</details>', changed, re.DOTALL)[0]
    assert matrix.count("\N{BLACK CIRCLE}") == 3
    assert "table-report-planned" not in report


def test_figures_follow_palette_and_order(study, report, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    make_figures(other, LOOK | {"palette": "grey", "order": "listed", "listed": ["th", "ar", "de", "es", "en"]})
    ours, grey = [(place / "transfer/figures/regimes.svg").read_text(encoding="utf-8") for place in (study, other)]
    assert "#0072b2" in ours and "#0072b2" not in grey
    for path in sorted(other.glob("transfer/figures/*.svg")):  # heatmaps and frames follow the palette too
        for red, green, blue in re.findall(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", path.read_text(encoding="utf-8")):
            assert max(int(red, 16), int(green, 16), int(blue, 16)) - min(int(red, 16), int(green, 16), int(blue, 16)) < 12, (
                path.name
            )
    names = [re.findall(r">(English|Spanish|German|Arabic|Thai)<", text) for text in (ours, grey)]
    assert names[0][:5] == ["English", "Spanish", "German", "Arabic", "Thai"]  # Indo-European ones first
    assert names[1][:5] == ["Thai", "Arabic", "German", "Spanish", "English"]


def test_figures_are_the_same_bytes_twice_and_carry_no_date(study, report, tmp_path):
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    make_figures(other)
    for path in sorted(study.glob("transfer/figures/*.svg")):
        text = path.read_text(encoding="utf-8")
        assert text == (other / "transfer/figures" / path.name).read_text(encoding="utf-8"), path.name
        assert "<dc:date>" not in text


def test_a_study_that_lacks_almost_everything_still_has_a_report(tmp_path):
    study = tmp_path / "results" / "little"
    write_predictions(study / "predictions/toy/none/none/none/none/seed0", {"en": 0.0}, "nli/full", "little")
    write_fertility(study / "fertility/bpe/nli.csv")
    make_tables(study)
    make_figures(study)
    report = make_report(study)
    assert "No model of this study was fine-tuned on English" in report
    assert "No model was fine-tuned on several languages together." in report


def test_the_source_language_is_named_as_the_table_of_languages_names_it(study, tmp_path):
    """The same study, of which the models of the source language are called German."""
    other = tmp_path / "results" / "synthetic"
    shutil.copytree(study, other)
    for path in sorted(other.glob("*/toy/nli/*/*/en")):
        path.rename(path.with_name("de"))
    for path in other.glob("models/**/de/**/training.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"languages": ["de"]}), encoding="utf-8")
    trained = {"de" if name == "en" else name: languages for name, languages in TRAINED.items()} | {"de": ["de"]}
    tables = make_tables(other, CONFIG | {"source_language": "de", "trained": trained})
    make_figures(other, LOOK | {"source": "de"})
    report = make_report(other, CONFIG | {"source_language": "de"})
    text = re.sub(r"<[^>]+>|\s+", " ", report.split("<table")[0])
    assert "pretrained on German" in text and "Zero-shot is the German model asked in another language" in text
    assert "Fine-tuned in German, toy answers" in text and "three rows" not in text
    assert "intervals over premises" in text and "English model" not in report
    assert not re.search(r"\{(source|clusters?|level|question)\}", report)
    words = Words(WORDS.names, 1, 0.95, "de", TERMS)
    assert sentences.retention(tables, words)[0].startswith("Of its lead over chance in German")
    assert "without German" in (other / "transfer/figures/premium.svg").read_text(encoding="utf-8")


def test_what_reports_imports_no_model():
    code = "import sys, carryover.reporting.page, chapters.transfer.sentences, chapters.transfer.tables; "
    code += "import chapters.transfer.comparisons, chapters.transfer.summary, carryover.reporting.chapter_tables; "
    code += "print([name for name in ('torch', 'transformers', 'matplotlib', 'tokenizers') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "workflow")}
    )
    assert done.stdout.strip() == "[]"


def test_numbers_as_text():
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert (p_value(0.0001), p_value(0.012), p_value(0.31)) == (
        "p\N{NO-BREAK SPACE}<\N{NO-BREAK SPACE}0.001",
        *(f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p}" for p in ("0.012", "0.31")),
    )
    assert [significant(value) for value in (1.107, 0.0248, 39.68, 601.8, 0)] == ["1.11", "0.0248", "39.7", "602", "0"]
    assert (duration(90), duration(600), duration(8000)) == tuple(
        f"{value}" for value in ("90\N{NO-BREAK SPACE}s", "10.0\N{NO-BREAK SPACE}min", "2.2\N{NO-BREAK SPACE}h")
    )
    assert size(27_600_000) == "27.6\N{NO-BREAK SPACE}MB"
