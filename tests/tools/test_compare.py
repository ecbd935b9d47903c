"""Two studies side by side: planted values, code, drift and differences are found, and told apart."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from carryover.analysis import two_studies
from carryover.analysis.two_studies import MACHINE, SAME, STUDY, Made, alike
from carryover.runtime.errors import BadInput
from synthetic_study import LANGUAGES, ROOT, write_json, write_study
from tools import compare
from tools.blast import STUDIES, config_of

RUN = "toy/nli/full/lr_high/en/seed0"
ANSWERS = f"predictions/{RUN}/nli/full"
BY = ["task_asked", "train", "variant", "view", "split", "language"]


def record(study: str, outputs: list[str], inputs: dict[str, str], key: str = "k") -> dict:
    here = {f"results/{study}/{name}" if not name.startswith("data/") else name: value for name, value in inputs.items()}
    return {"key": {"code": key, "config": {}}, "inputs": here, "outputs": {f"results/{study}/{name}": "x" for name in outputs}}


def finish(study: Path, **changed: object) -> Path:
    """What a finished study has beside its tables: its config, its jobs, and how the answers of one system were made."""
    config = config_of(ROOT, STUDIES["mini"]) | {"study": study.name, "languages": LANGUAGES} | changed
    config["statistics"] = {"resamples": 300, "seed": 0}
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = pd.DataFrame({"job": ["models/a", "predictions/a"], "stage": ["models", "predictions"], "code": "c", "config": "d"})
    jobs.assign(packages="torch 2").to_csv(study / "jobs.csv", index=False)
    (study / "report.html").write_text("")
    for run in (RUN, RUN.replace("seed0", "seed1")):
        answers, trained = f"predictions/{run}/nli/full", f"models/{run}/model.safetensors"
        files = [f"{answers}/{language}.{split}.parquet" for language in LANGUAGES for split in ("dev", "test")]
        write_json(study / f"models/{run}/provenance.json", record(study.name, [trained], {"data/downloads/x.zip": "same"}))
        write_json(study / answers / "provenance.json", record(study.name, files, {trained: study.name}))
    return study


@pytest.fixture
def studies(tmp_path: Path) -> tuple[Path, Path]:
    """A study and its copy under another name."""
    first = write_study(tmp_path)
    second = tmp_path / "results" / "copy"
    shutil.copytree(first, second)
    return finish(first), finish(second)


def change(path: Path, share: float = 0.0, moved: float = 0.0) -> None:
    """Other answers to this share of a file's rows, and log-probabilities that moved by so much."""
    table = pd.read_parquet(path)
    columns = ["logp_0", "logp_1", "logp_2"]
    rows = np.arange(len(table)) < share * len(table)
    values = table[columns].to_numpy(copy=True)
    values[rows] = np.roll(values[rows], 1, axis=1)
    table[columns] = values + np.float32(moved)
    table.to_parquet(path)


def test_a_study_and_its_copy_differ_in_nothing(studies):
    tables = compare.compare(*studies)
    assert tables["settings"].empty and set(tables["answers"]["origin"]) == {SAME}
    assert (tables["stages"][["other_code", "other_config", "only_first"]] == 0).all(axis=None)
    assert (tables["differences"]["difference"] == 0).all()
    assert not tables["differences"]["finding"].isin(["higher", "lower"]).any()


def test_planted_differences_are_found_and_drift_is_told_from_them(studies):
    first, second = studies
    change(second / ANSWERS / "es.test.parquet", moved=1e-4)  # the same keys all the way: another processor
    joint = second / "predictions/toy/nli/full/lr_high/joint/seed0/nli/full/es.test.parquet"
    change(joint, share=0.5)  # nobody knows how these were made
    tables = compare.compare(first, second)
    answers = tables["answers"].set_index(BY)
    machine = answers.loc["nli", "en", "lr_high", "full", "test", "es"]
    assert (machine["origin"], machine["changed"]) == (MACHINE, 0) and machine["largest"] == pytest.approx(1e-4, rel=0.01)
    study = answers.loc["nli", "joint", "lr_high", "full", "test", "es"]
    assert study["origin"] == STUDY and study["changed"] == pytest.approx(0.5)
    found = (
        tables["differences"].set_index(["train", "variant", "view", "language", "metric"]).loc["joint", "lr_high", "full", "es"]
    )
    assert found.loc["accuracy", "finding"] == "higher" and found.loc["accuracy", "difference_low"] > 0.1
    said = " ".join(compare.drift(tables, WORDS) + compare.results(tables, WORDS))
    assert "In 1 only the machine differs" in said and "1 of" in said and "of toy/nli/full/lr_high/joint in Spanish" in said


WORDS = compare.Words({"es": "Spanish"}, 1, 0.95, "en")


@pytest.mark.parametrize("place", ["key", "outside"])
def test_another_key_or_another_file_behind_an_answer_is_no_drift(studies, place):
    first, second = (Made.of(study) for study in studies)
    path = f"{ANSWERS}/es.test.parquet"
    assert alike(first, second, path)  # weights differ in their bytes, and were made alike
    made = studies[1] / f"models/{RUN}/provenance.json"
    changed = json.loads(made.read_text())
    if place == "key":
        changed["key"]["code"] = "other"
    else:
        changed["inputs"] = {"data/downloads/x.zip": "another"}
    made.write_text(json.dumps(changed))
    assert not alike(first, Made.of(studies[1]), path)


def test_values_and_code_that_differ_are_named(studies):
    first, second = studies
    config = yaml.safe_load((second / "config.yaml").read_text())
    config["finetune"]["recipe"]["lr"] = 0.5
    (second / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = pd.read_csv(second / "jobs.csv").assign(code=["other", "c"])
    jobs.to_csv(second / "jobs.csv", index=False)
    tables = compare.compare(first, second)
    assert list(tables["settings"]["leaf"]) == ["finetune.recipe.lr"] and tables["settings"]["second"][0] == "0.5"
    assert tables["stages"].set_index("stage").loc["models", "other_code"] == 1
    assert "finetune.recipe.lr" in compare.values(tables, WORDS)[0] and "Other code: models." in compare.code(tables, WORDS)


def test_the_command_writes_a_page_and_says_what_is_missing(studies, tmp_path):
    first, second = studies
    command = [sys.executable, "-m", "tools.compare", "results/synthetic", "results/copy"]
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    page = (tmp_path / "results/compare/synthetic-copy/index.html").read_text()
    assert "<code>synthetic</code> first, <code>copy</code> second" in page and "the same to the last bit" in page
    (second / "jobs.csv").unlink()
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (
        ran.returncode == 1
        and ran.stderr == "error: results/copy: no finished study (jobs.csv is not there); run it to its end first\n"
    )
    shutil.rmtree(first / "predictions")
    finish(second)
    with pytest.raises(BadInput, match="no system was asked the same rows in both"):
        compare.compare(first, second)


def test_rows_and_seeds_that_only_one_has_are_left_out(studies):
    first, second = studies
    path = second / ANSWERS / "es.test.parquet"
    pd.read_parquet(path).iloc[:300].to_parquet(path)
    shutil.rmtree(second / "predictions/toy/nli/full/lr_high/en/seed1")
    ours, theirs = (compare.read_answers(study, compare.read_config(study)) for study in (first, second))
    answers = two_studies.answers_table(ours, theirs, Made.of(first), Made.of(second))
    row = answers.set_index(BY).loc["nli", "en", "lr_high", "full", "test", "es"]
    assert row["n"] == 300 and row["origin"] == SAME
