"""Model cards, held against the hub's own classes."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from carryover.analysis.predictions import Cell
from carryover.metrics import accuracy
from carryover.metrics.bootstrap import Settings
from carryover.planning.origins import hub_name
from carryover.planning.paths import EvaluationSet, System
from carryover.reporting.cards import Trained, card
from carryover.reporting.formatting import Words

RECIPE = {"lr": 1e-4, "batch_size": 16, "epochs": 1, "max_updates": None, "schedule": "linear"}
RECORD = {"languages": ["en", "es"], "examples": 2400, "updates": 150, "recipe": RECIPE, "train_loss": 0.9, "parameters": 9000}
LORA = Trained(
    system=System("small", "nli", "lora", "low_rank", "joint"),
    seed=2,
    record=RECORD | {"trained_parameters": 120},
    base={"hub": "someone/small", "license": "Apache-2.0", "rounded": "8,000 to 4 bits"},
    adapter="LORA",
    prompt={"template": "{premise} implies {hypothesis}:", "labels": ["0", "1", "2"]},
    training="rows_train",
    test="rows",
    study="trial",
    commit="abc123",
)
FULL = dataclasses.replace(LORA, adapter=None, base={"hub": None, "license": None, "rounded": None}, commit=None, prompt={})
WORDS = Words({"en": "English", "es": "Spanish", "de": "German"}, 1, 0.95, "en", {"clusters": "premises"})
SETTINGS = Settings(0.95, 300, 0)


def cell(language: str, right: float, n: int = 300) -> Cell:
    """Answers of which this share is right, three rows a premise."""
    target = np.tile([0, 1, 2], n // 3)
    answer = np.where(np.arange(n) < right * n, target, (target + 1) % 3)
    table = pd.DataFrame({"id": np.arange(n), "cluster": np.arange(n) // 3, "target": target, "greedy_label": answer})
    table[[f"logp_{label}" for label in range(3)]] = np.where(answer[:, None] == np.arange(3), -0.1, -3.0)
    names = ("entailment", "contradiction", "neutral")
    return Cell(LORA.system, EvaluationSet("nli", "full", "test", language), (2,), (table,), names)


CELLS = [cell("en", 0.8), cell("de", 1 / 3)]


@pytest.mark.parametrize("trained", [LORA, FULL])
def test_the_hubs_own_classes_read_a_card_and_write_the_same(trained):
    text = card(trained, CELLS, {"nli": {"accuracy": accuracy}}, SETTINGS, WORDS)
    read = ModelCard(text)
    assert yaml.safe_load(text.split("---")[1]) == yaml.safe_load(read.data.to_yaml())
    results = {result.dataset_config: result for result in read.data.eval_results}
    assert set(results) == {"en", "de"} and results["en"].metric_value == pytest.approx(0.8)
    assert "95" in results["en"].metric_name and "n = 300" in results["en"].metric_name
    assert read.data.language == ["en", "es"]
    assert read.data.library_name == {"LORA": "peft", None: "transformers"}[trained.adapter]
    assert read.data.get("base_model") == trained.base["hub"]
    assert read.data.get("license") == {"Apache-2.0": "apache-2.0", None: None}[trained.base["license"]]


def test_a_card_says_what_was_trained_how_to_ask_and_where_nothing_was_shown():
    text = card(LORA, CELLS, {"nli": {"accuracy": accuracy}}, SETTINGS, WORDS)
    assert "its weights had been rounded, 8,000 to 4 bits" in text and "commit `abc123`" in text
    assert "120 of 9,000 parameters" in text and "| lr | 0.0001 |" in text and "max_updates" not in text
    assert "```\n{premise} implies {hypothesis}:\n```" in text and "`0`, `1`, `2`" in text
    assert "| English | accuracy | 0.800 | " in text and "| 300 | 100 |" in text
    assert "No evidence above the best constant answer (after Holm's correction) in German." in text


def test_an_adapter_that_peft_cannot_open_is_not_called_one_of_its_own():
    bottleneck = dataclasses.replace(LORA, adapter="BOTTLENECK")
    assert ModelCard(card(bottleneck, CELLS, {"nli": {"accuracy": accuracy}}, SETTINGS, WORDS)).data.library_name == "carryover"


def test_what_is_not_known_is_said_or_left_out():
    text = card(FULL, [], {"nli": {"accuracy": accuracy}}, SETTINGS, WORDS)
    assert "did not ask it any test text" in text and "model-index" not in text and "base_model" not in text
    assert "The licence of small is not stated" in text and "## Use" not in text and "None" not in text


def test_a_model_that_was_taken_from_the_hub_has_its_repository_as_base():
    sources = {
        "there": {"url": "https://huggingface.co/someone/small/resolve/0123/model.safetensors"},
        "elsewhere": {"url": "https://example.org/model.safetensors"},
        "packed": {"package": {"name": "p"}},
    }
    assert hub_name({"source": "hub", "repo": "a/b"}, sources) == "a/b"
    assert hub_name({"source": "fetch", "config": "elsewhere", "weights": "there"}, sources) == "someone/small"
    assert hub_name({"source": "package", "weights": "packed"}, sources) is None
    assert hub_name({"source": "pretrain"}, sources) is None
