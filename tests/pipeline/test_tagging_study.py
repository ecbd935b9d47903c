"""The tagging task through the whole DAG: twenty sentences, all weights and low-rank updates, three languages."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from carryover.metrics import entity_f1
from carryover.planning.keys import closure
from carryover.planning.runs import answer_of
from study_runner import PROJECT, clone, snakemake

SENTENCES = PROJECT / "tests/tagging"
LANGUAGES = ["en", "de", "zh"]
RUNS = {method: f"toy/tagging/{method}/{variant}/en/seed0" for method, variant in (("full", "baseline"), ("lora", "low_rank"))}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results of a study that fine-tunes a model of one layer to tag."""
    project = clone(tmp_path_factory.mktemp("tagging") / "project")
    with zipfile.ZipFile(project / "names.zip", "w") as archive:
        for path in SENTENCES.glob("*.tsv"):
            archive.write(path, f"names/{path.name}")
    shutil.copy(SENTENCES / "train-en.tsv", project / "text.txt")
    files = {"names": "names.zip", "pretrain_text": "text.txt"}
    study = {
        "study": "tags",
        "languages": LANGUAGES,
        "fetch": {"files": {name: {"path": f"tags/{path}", "url": path, "first_use": True} for name, path in files.items()}},
        "tokenizers": {"bpe": {"source": "train", "vocabulary": 400}},
        "models": {"toy": {"source": "pretrain", "tokenizer": "bpe"}},
        "pretrain": {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "positions": 64, "recipe": {"epochs": 1}},
        "tasks": {"tagging": {"evaluation": "names", "training": "names", "train_languages": ["en"], "max_length": 24}},
        "finetune": {
            "model": "toy",
            "task": "tagging",
            "recipe": {"lr": 5e-3, "batch_size": 4, "epochs": 12},
            "variants": {"low_rank": {"method": "lora", "lr": 0.02}},
            "runs": [{"variant": "baseline", "train": "en"}, {"variant": "low_rank", "train": "en"}],
            "sets": {},
            "threads": 1,
        },
        "predict": {"as_they_are": [], "threads": 1},
        "generate": {"models": ["toy"]},
    }
    (project / "tags.yaml").write_text(yaml.safe_dump(study))
    targets = [
        f"results/tags/predictions/{run}/tagging/full/{language}.test.parquet" for run in RUNS.values() for language in LANGUAGES
    ]
    ran = snakemake(project, *targets, "--configfile", "tags.yaml")
    assert ran.returncode == 0, ran.stdout[-4000:]
    return project / "results/tags"


def gold(language: str) -> list[tuple[str, str]]:
    lines = (SENTENCES / f"test-{language}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line]


@pytest.mark.slow
@pytest.mark.parametrize("method", RUNS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_tagged(results, method, language):
    table = pd.read_parquet(results / f"predictions/{RUNS[method]}/tagging/full/{language}.test.parquet")
    assert list(table) == ["id", "cluster", "word", "target", "predicted"]
    assert table["target"].tolist() == [tag for _, tag in gold(language)]
    assert set(table["predicted"]) <= {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"}
    if (method, language) == ("full", "en"):  # twenty sentences teach it that names begin with capitals
        assert entity_f1.value(entity_f1.sums(table).sum(axis=0)) > 0.3


@pytest.mark.slow
def test_words_that_a_sentence_loses_are_counted(results):
    """Chinese falls into bytes: its sentences are longer than the limit."""
    counts = yaml.safe_load((results / "tokens/bpe/tagging/full/zh.evaluation.json").read_text())["splits"]
    assert counts["test"]["words"] == len(gold("zh")) and counts["test"]["words_cut"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", RUNS)
def test_a_run_leaves_its_head_beside_what_the_method_saves(results, method):
    run = results / "models" / RUNS[method]
    head = load_file(run / "tagging_head.safetensors")
    assert head["weight"].shape == (7, 32) and np.abs(head["weight"]).max() > 0.03  # it learned
    assert (run / "adapter_model.safetensors").exists() == (method == "lora")
    assert (run / "model.safetensors").exists() == (method == "full")
    dev = pd.read_csv(run / "dev.csv")
    assert list(dev) == ["epoch", "language", "score", "n"] and set(dev["language"]) == {"en"}


def test_the_tasks_know_nothing_of_each_other():
    """An edit of one task runs nothing again of the other."""
    library = PROJECT / "workflow/carryover"
    reached = {
        task: {
            path.name
            for kind, name in (("tasks", task), ("answers", answer_of(task)))
            for path in closure(library / kind / f"{name}.py")
        }
        for task in ("nli", "tagging")
    }
    assert not reached["nli"] & {"tagging.py", "tagged.py", "tags.py", "entity_f1.py"}
    assert not reached["tagging"] & {"nli.py", "xnli.py", "prompts.py", "choice.py"}
