"""The mini study, run for real in a copy of the project: what it writes, what it shows, and what a change runs again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from carryover.metrics import accuracy
from carryover.metrics.bootstrap import Settings, cluster_sums, interval, resampled_values
from carryover.models.gpt2 import GPT2Model
from study_runner import MINI, job_arguments, planned, snakemake

CHANCE = 1 / 3
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def project(mini_study) -> Path:
    return mini_study


@pytest.fixture(scope="module")
def results(project) -> Path:
    return project / "results" / "mini"


def correct(results: Path, variant: str, train: str, view: str, split: str = "dev") -> pd.DataFrame:
    path = results / f"predictions/toy/nli/full/{variant}/{train}/seed0/nli/{view}/{train}.{split}.parquet"
    table = pd.read_parquet(path)
    answer = table[["logp_0", "logp_1", "logp_2"]].to_numpy().argmax(axis=1)
    return table.assign(correct=answer == table["target"])


def overlay(project: Path, name: str, content: dict) -> tuple[str, ...]:
    (project / name).write_text(yaml.safe_dump(content))
    return (*MINI, name)


def test_a_second_run_has_nothing_to_do(project):
    assert planned(project, *MINI) == {}


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_models_beat_the_hypothesis_alone(results, language):
    """The paired interval of the difference on dev is clear of 0: the model reads the premise."""
    full = correct(results, "baseline", language, "full")
    blind = correct(results, "hypothesis", language, "hypothesis")
    assert (full["id"] == blind["id"]).all()
    premises = np.unique(full["cluster"], return_inverse=True)[1]
    gain = (full["correct"].astype(int) - blind["correct"].astype(int)).to_numpy()
    sums = cluster_sums(np.stack([gain, np.ones(len(full))]), premises).T[None]
    low, _ = interval(resampled_values(sums, accuracy.value, Settings(0.95, 10_000, 0)), 0.95)
    assert low > 0, f"{language}: {full['correct'].mean():.3f} against {blind['correct'].mean():.3f}"


@pytest.mark.parametrize("language", ["el", "th", "hi", "ru", "bg", "ar", "ur", "zh"])
def test_zero_shot_in_other_scripts_is_near_chance(results, language):
    table = pd.read_csv(results / "transfer/tables/zero_shot.csv").set_index("language")
    assert abs(table.loc[language, "accuracy"] - CHANCE) < 0.06


def test_fertility_orders_the_languages_as_published(results):
    """English lowest, Latin scripts next, then the others, under a BPE trained on English only."""
    table = pd.read_csv(results / "fertility/bpe/nli.csv")
    premium = table[table["text"] == "dev"].set_index("language")["token_premium"]
    latin, others = ["fr", "es", "de", "tr", "sw"], ["el", "bg", "ru", "hi", "ur", "ar", "th", "zh"]
    assert premium["en"] == 1.0
    assert premium[latin].min() > 1.0
    assert premium[others].min() > premium[latin].max()


def test_a_trained_model_is_a_hugging_face_directory(results):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = results / "models/toy/nli/full/baseline/en/seed0"
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(directory).eval(), AutoTokenizer.from_pretrained(directory)
    ids = tokenizer("Premise: The box is red.\nHypothesis: The box is blue.\nLabel:", return_tensors="pt")["input_ids"]
    ours = GPT2Model.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = ours.hidden_state_to_token(ours(ids)["last_hidden_state"])
        torch.testing.assert_close(logits, theirs(ids).logits, atol=1e-4, rtol=1e-4)


def test_every_model_gets_its_card_and_opens_with_it(project, results):
    from huggingface_hub import ModelCard
    from transformers import AutoModelForCausalLM

    ran = snakemake(project, "results/mini/cards.provenance.json", *MINI, "--quiet", "rules")
    assert ran.returncode == 0, ran.stdout[-2000:]
    directories = [path.parent for path in results.glob("models/**/training.json")]
    table = pd.read_csv(results / "transfer/tables/scores.csv", keep_default_na=False).query("split == 'test'")
    for directory in directories:
        read = ModelCard.load(directory / "README.md")
        found = {one.dataset_config: one.metric_value for one in read.data.eval_results}
        model, _, method, variant, train, seed = directory.parts[-6:]
        rows = table.query(f"model == '{model}' and method == '{method}' and variant == '{variant}' and train == '{train}'")
        rows = rows[(rows["seed"] == int(seed.removeprefix("seed"))) & rows["view"].isin(["full", "hypothesis"])]
        assert found == pytest.approx(dict(zip(rows["language"], rows["value"], strict=True)), abs=6e-5)
    AutoModelForCausalLM.from_pretrained(directories[0])


def test_outputs_are_there_with_their_provenance(results):
    names = ["report.html", "config.yaml", "jobs.csv", "generate/generations.json", "parity/toy.json", "select/adopt.yaml"]
    assert all((results / name).stat().st_size > 0 for name in names)
    for path in results.glob("predictions/**/provenance.json"):
        made = json.loads(path.read_text())
        assert set(made["key"]) == {"code", "config"} and made["outputs"] and made["packages"]["torch"] == torch.__version__
    assert len(list(results.glob("predictions/**/*.parquet"))) == 5 * 30 + 4 * 2
    assert not list(results.glob("**/*.partial")) and not list(results.glob("scratch/*"))


def test_the_report_shows_its_chapters_and_asks_nothing_from_outside(results):
    page = (results / "report.html").read_text(encoding="utf-8")
    for word in ("Greek", "zero-shot", "token premium", "Singapore University of Technology and Design is"):
        assert word in page
    assert not re.search(r"(src|href)=.?(https?:)?//[^ ]+[.](js|css|png|svg|woff)", page) and "@import" not in page
    assert not re.search(r"<script[^>]* src=", page)
    assert len(page.encode()) < 8_000_000


def test_memory_stays_low(results):
    peaks = [json.loads(path.read_text())["peak_memory_mb"] for path in results.glob("**/*provenance.json")]
    assert max(peaks) < 3072


def test_the_report_in_snakemakes_own_format(project):
    made = snakemake(project, *MINI, "--report", "results/mini/snakemake-report.zip")
    assert made.returncode == 0, made.stdout[-2000:]
    assert (project / "results/mini/snakemake-report.zip").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({"report": {"confidence": 0.99}}, {"transfer_tables", "figures", "report", "config"}),
        ({"report": {"digits": 2}}, {"report", "config"}),
        ({"transfer": {"fertility_groups": {"low": 1.5}}}, {"transfer_tables", "figures", "report", "config"}),
        ({"select": {"most": 2}}, {"select", "transfer_tables", "figures", "report", "config"}),
        ({"generate": {"max_new_tokens": 8}}, {"generate", "plan", "transfer_tables", "figures", "report", "config"}),
    ],
)
def test_one_changed_value_runs_what_depends_on_it(project, change, runs):
    assert set(planned(project, *overlay(project, "changed.yaml", change))) == runs


def test_languages_without_training_text_stay_zero_shot(project):
    config = {"finetune": {"runs": [{"variant": "baseline", "train": "en"}, {"variant": "baseline", "train": "el"}]}}
    shown = snakemake(project, *overlay(project, "changed.yaml", config), "--dry-run", "--quiet", "rules")
    assert shown.returncode == 0
    assert "no training text in this source, evaluated zero-shot only: el" in shown.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finetune": {"recipe": {"weight_decy": 1}}}, "unknown key finetune.recipe.weight_decy; did you mean weight_decay?"),
        ({"finetune": {"recipe": {"lr": "1e-4"}}}, "write 1.0e-4"),
        ({"finetune": {"recipe": {"lr": -1}}}, "finetune.recipe.lr"),
        ({"finetune": {"primary_variant": "base"}}, "did you mean baseline?"),
        ({"tasks": {"nli": {"labels": ["yes", "no"]}}}, "tasks.nli.labels"),
        ({"languages": ["en", "EN$(touch x)"]}, "languages"),
        ({"study": "a b; touch x"}, "study"),
    ],
)
def test_a_wrong_value_is_one_line(project, change, message):
    shown = snakemake(project, *overlay(project, "changed.yaml", change), "--dry-run", "--quiet", "rules")
    line = next(line for line in shown.stdout.splitlines() if line.startswith("error:"))
    assert shown.returncode == 1 and message in line and "Traceback" not in shown.stdout


def test_a_broken_archive_names_itself_and_leaves_nothing(project, tmp_path):
    """A truncated archive, a wrong checksum: one line, status 1, nothing at the place of the output."""
    source = project / "results/mini/mini/XNLI-1.0.zip"
    cut = tmp_path / "cut.zip"
    cut.write_bytes(source.read_bytes()[:-1000])
    change = {
        "study": "broken",
        "fetch": {"files": {"xnli": {"path": "broken/XNLI-1.0.zip", "url": str(cut), "first_use": True, "sha256": []}}},
    }
    target = "results/broken/corpus/nli/en.dev.parquet"
    ran = snakemake(project, target, *overlay(project, "changed.yaml", change), "--quiet", "rules")
    assert ran.returncode == 1 and "not a readable ZIP archive" in ran.stdout and "fetch again" in ran.stdout
    assert not (project / target).exists()
    # The same bytes under another name, whose checksum nobody has recorded.
    change["fetch"]["files"]["xnli"] |= {"path": "broken/other.zip", "first_use": False}
    ran = snakemake(project, target, *overlay(project, "changed.yaml", change), "--quiet", "rules")
    assert ran.returncode == 1 and "sha256" in ran.stdout
    assert not (project / "data/downloads/broken/other.zip").exists()


def test_a_model_of_ones_own_is_a_model_like_any_other(project, tmp_path):
    """A Hugging Face directory that transformers wrote is checked and evaluated; another architecture is refused."""
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

    entries = json.loads((project / "results/mini/models/toy/nli/full/baseline/en/seed0/config.json").read_text())["vocab_size"]
    shape = GPT2Config(vocab_size=entries, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(shape).save_pretrained(tmp_path / "mine")
    for name in MODEL_FILES[2:]:
        shutil.copy(project / "results/mini/tokenizers/bpe" / name, tmp_path / "mine")
    change = {"models": {"mine": {"source": "directory", "path": str(tmp_path / "mine")}}, "predict": {"as_they_are": ["mine"]}}
    options = overlay(project, "changed.yaml", change)
    assert set(planned(project, *options)) >= {"models", "parity", "predict_all", "transfer_tables", "report"}
    ran = snakemake(project, "results/mini/parity/mine.json", *options)
    assert ran.returncode == 0, ran.stdout[-2000:]
    BertModel(BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)).save_pretrained(
        tmp_path / "bert"
    )
    for name in MODEL_FILES[2:]:
        shutil.copy(tmp_path / "mine" / name, tmp_path / "bert")
    change["models"]["mine"]["path"] = str(tmp_path / "bert")
    ran = snakemake(project, "results/mini/parity/mine.json", *overlay(project, "changed.yaml", change))
    assert ran.returncode == 1 and "bert/config.json: model_type is 'bert'; known are" in ran.stdout


def test_a_killed_training_goes_on_and_ends_in_the_same_bits(project):
    """SIGKILL in mid-run, then the same command: the weights are those of the run that was not disturbed."""
    whole = (project / "results/mini/models/toy/nli/full/baseline/en/seed0/model.safetensors").read_bytes()
    command = [sys.executable, "workflow/scripts/finetune.py"]
    made = json.loads((project / "results/mini/models/toy/nli/full/baseline/en/seed0/provenance.json").read_text())
    inputs = {"model": [], "train": [], "dev": []}
    for path in made["inputs"]:
        kind = "model" if "pretrain" in path else "train" if ".train." in path else "dev"
        inputs[kind].append(path)
    target = "results/mini/scratch/again"
    outputs = {"model": list(MODEL_FILES), "curve": ["curve.csv"], "epochs": ["dev.csv"], "facts": ["training.json"]}
    command += job_arguments(inputs, {name: [f"{target}/{file}" for file in names] for name, names in outputs.items()})
    command += ["--key", json.dumps(made["key"]), "--scratch", "results/mini/scratch", "--log", f"{target}.log"]
    environment = {**os.environ, "PYTHONPATH": "workflow", "PYTHONSAFEPATH": "1", "CARRYOVER_CHECKPOINT_SECONDS": "1"}
    for wait in (0.2, 0.9):
        seen = set(project.glob("results/mini/scratch/*/update-*.pt"))
        running = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL)
        while running.poll() is None and set(project.glob("results/mini/scratch/*/update-*.pt")) <= seen:
            time.sleep(0.05)
        time.sleep(wait)
        assert running.poll() is None, "the run ended before it was killed"
        running.kill()
        running.wait()
    subprocess.run(command, cwd=project, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert "going on from update-" in (project / f"{target}.log").read_text()
    assert (project / target / "model.safetensors").read_bytes() == whole
    shutil.rmtree(project / "results/mini/scratch")
