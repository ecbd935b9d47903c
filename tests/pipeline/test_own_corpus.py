"""Rows of one's own through the whole DAG, in a language that the project did not know, from the config to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from seams_study import LABELS, SPLITS, items, overlay
from snakemake.utils import update_config
from tokenizers import Tokenizer

from carryover.answers import choice
from carryover.data.transliteration import letters_of
from carryover.planning.config import resolve
from carryover.planning.runs import files_in_use
from carryover.planning.schema import load_schema
from carryover.planning.yaml_files import read_yaml
from study_runner import PROJECT, clone, snakemake

LINE = "nl,nld,Dutch,Indo-European,Germanic,Latin,ltr,yes\n"
NAMES = {"entailment": "ja", "contradiction": "nee", "neutral": "neutral"}
STUDY = {
    "study": "own",
    "languages": ["en", "nl"],
    "fetch": {
        "files": {
            "rows_dev": {"path": "own/dev.jsonl", "url": "dev.jsonl", "first_use": True},
            "rows_test": {"path": "own/test.csv", "url": "test.csv", "first_use": True},
            "rows_train": {"path": "own/train.tsv", "url": "train.tsv", "first_use": True},
            "pretrain_text": {"path": "own/text.txt", "url": "text.txt", "first_use": True},
        }
    },
    "tokenizers": {"bpe": {"source": "train", "vocabulary": 400}},
    "models": {"toy": {"source": "pretrain", "tokenizer": "bpe"}},
    "tasks": {
        "nli": {
            "evaluation": "rows_{split}",
            "training": "rows_train",
            "train_languages": ["en"],
            "columns": {"premise": "text", "premise_id": "passage"},
            "label_names": {"ja": "entailment", "nee": "contradiction"},
            "expected_rows": {"train": None, "dev": None, "test": None},
            "max_length": 256,
        }
    },
    "pretrain": {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "positions": 256, "recipe": {"epochs": 1}},
    "generate": {"models": ["toy"], "max_new_tokens": 4},
    "finetune": {
        "model": "toy",
        "recipe": {"lr": 3.0e-3, "batch_size": 8},
        "variants": {},
        "sets": {},
        "runs": [{"variant": "baseline", "train": "en"}],
        "threads": 1,
    },
    "predict": {"as_they_are": [], "shuffled": False, "scripts": {"latin": ["nl"], "greek": ["en"]}, "threads": 1},
    "statistics": {"resamples": 200},
    "plan": {"machine": "cpu2"},
    "report": {"not_comparable_because": "another corpus"},
}


def rows(split: str) -> list[dict[str, str]]:
    """A split in English and, standing for a new language, German; rows of one id are translations of each other."""
    found = []
    for language, text in (("en", "en"), ("nl", "de")):
        for number, item in enumerate(items(text)[SPLITS[split]]):
            for place, label in enumerate(LABELS):
                pair = {"text": item["premise"], "hypothesis": item[label], "label": NAMES[label]}
                found.append({"id": f"{number}{'abc'[place]}", "passage": f"p{number}", "language": language, **pair})
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A clone with the rows, each split in another format."""
    project = clone(tmp_path_factory.mktemp("own") / "carryover")
    lines = [json.dumps(row, ensure_ascii=False) for row in rows("dev")]
    (project / "dev.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pd.DataFrame(rows("test")).to_csv(project / "test.csv", index=False)
    train = [row for row in rows("train") if row["language"] == "en"]
    tabbed = ["\t".join(train[0]), *("\t".join(row.values()) for row in train)]
    (project / "train.tsv").write_text("\n".join(tabbed) + "\n", encoding="utf-8")
    (project / "text.txt").write_text("\n".join(row["text"] for row in train) + "\n", encoding="utf-8")
    overlay(project, "own.yaml", STUDY)
    return project


TOLD = ("--configfile", "own.yaml")
ASKED = STUDY["predict"] | {"scripts": {}}


def test_the_readme_shows_a_config_that_holds():
    shown = yaml.safe_load((PROJECT / "README.md").read_text(encoding="utf-8").split("```yaml")[1].split("```")[0])
    merged = read_yaml(PROJECT / "config.yaml")
    update_config(merged, shown | {"languages": ["en", "de"]})  # nl is there once its line is
    schema = load_schema()
    needed = files_in_use(resolve(merged, schema))
    assert {"mine_dev", "mine_test", "mine_train"} <= set(needed) and "xnli" not in needed
    header = (PROJECT / "data/languages.csv").read_text(encoding="utf-8").split("\n")[0]
    assert schema["properties"]["languages"]["x-hint"].endswith(f": {header}")


@pytest.mark.slow
def test_a_study_runs_from_the_config_to_the_report(project):
    refused = snakemake(project, *TOLD, "--dry-run")
    assert refused.returncode == 1
    assert "error: config: languages: unknown name 'nl'" in refused.stdout and "a new language needs a line" in refused.stdout
    with (project / "data/languages.csv").open("a", encoding="utf-8") as file:
        file.write(LINE)
    ran = snakemake(project, *TOLD, "--quiet", "rules")
    assert ran.returncode == 0, ran.stdout[-4000:]
    results = project / "results/own"
    scores = pd.read_csv(results / "transfer/tables/zero_shot.csv")
    assert dict(zip(scores["language"], scores["n"], strict=True)) == {"en": 48, "nl": 48}
    assert set(scores["clusters"]) == {16}
    data = pd.read_csv(results / "transfer/tables/data.csv")
    assert (data[data["split"] == "test"][list(LABELS)] == 16).all().all()
    kept = pd.read_csv(results / "transfer/tables/retention.csv", keep_default_na=False)
    assert kept["refused"].str.contains("not translations").sum() == 0  # ids say which rows are
    fertility = pd.read_csv(results / "fertility/bpe/nli.csv")
    assert fertility[fertility["text"] == "dev"]["token_premium"].notna().all()
    script = pd.read_csv(results / "transfer/tables/script.csv")
    assert script[["language", "view", "n", "clusters"]].to_numpy().tolist() == [["nl", "latin", 48, 16], ["en", "greek", 48, 16]]
    dev = fertility.set_index(["language", "text"])["token_premium"]
    assert script["original_premium"].tolist() == pytest.approx([dev["nl", "dev"], dev["en", "dev"]], abs=1e-5)
    assert script["script_premium"].tolist() == pytest.approx([dev["nl", "dev in latin"], dev["en", "dev in greek"]], abs=1e-5)
    greek = choice.load([results / "tokens/bpe/nli/greek/en.test.safetensors"])
    made = Tokenizer.from_file(str(results / "tokenizers/bpe/tokenizer.json"))
    seen = made.decode(greek.sequence(0).tolist())
    back = str.maketrans({other: latin for latin, other in letters_of("greek").items()})
    texts = pd.read_parquet(results / "corpus/nli/en.test.parquet").iloc[0]
    assert seen.translate(back) == f"Premise: {texts['premise']}\nHypothesis: {texts['hypothesis']}\nLabel:" != seen
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "Dutch" in page and "another corpus" in page and "What script alone costs" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"evaluation": "rows_dev"}, "rows_dev has rows of several splits: name the column"),
        ({"training": "rows_trian"}, "no file 'rows_trian' in fetch.files (train of en); did you mean rows_train"),
        ({"label_names": {"ja": "entails"}}, "'entails' is none of the choices; did you mean entailment"),
    ],
)
def test_what_the_config_says_wrongly_is_one_line_before_anything_runs(project, changed, told):
    study = STUDY | {"languages": ["en"], "predict": ASKED, "tasks": {"nli": STUDY["tasks"]["nli"] | changed}}
    ran = snakemake(project, *overlay(project, "wrong.yaml", study), "--dry-run")
    assert ran.returncode == 1 and told in ran.stdout and "Traceback" not in ran.stdout


@pytest.mark.slow
def test_what_the_file_has_not_got_is_one_line(project):
    columns = STUDY["tasks"]["nli"]["columns"] | {"label": "gold"}
    study = STUDY | {
        "study": "lacking",
        "languages": ["en"],
        "predict": ASKED,
        "tasks": {"nli": STUDY["tasks"]["nli"] | {"columns": columns}},
    }
    ran = snakemake(project, "results/lacking/corpus/nli/en.dev.parquet", *overlay(project, "lacking.yaml", study), "--quiet")
    assert ran.returncode == 1 and "Traceback" not in ran.stdout
    assert "dev.jsonl, line 1: no column 'gold'; there are: id, passage, language, text, hypothesis, label" in ran.stdout
    assert not list((project / "results/lacking").rglob("*.parquet"))
