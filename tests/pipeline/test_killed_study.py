"""A tiny study through Snakemake: killed, stopped and started again, it ends in the bits of one that nothing disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from mini_corpus import built_files
from study_runner import clone, snakemake

pytestmark = pytest.mark.slow
MODEL = "results/tiny/models/toy/nli/full/baseline/en/seed0"
LOG = "results/tiny/logs/finetune/toy/nli/full/baseline/en/seed0.log"
TINY = {
    "study": "tiny",
    "fetch": {"files": {}},  # the embedded corpus as it was built for all tests
    "languages": ["en"],
    "tasks": {"nli": {"train_languages": ["en"], "subset": 600}},
    "tokenizers": {"bpe": {"vocabulary": 600}},
    "pretrain": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "recipe": {"epochs": 1, "max_updates": 40}},
    "finetune": {"recipe": {"epochs": 40, "dropout": 0.1}, "runs": [{"variant": "baseline", "train": "en"}]},
}
OPTIONS = ("--configfile", "workflow/overlays/mini.yaml", "tiny.yaml", "--rerun-incomplete")


def run(project: Path) -> str:
    """Runs the study to its end."""
    ran = snakemake(project, f"{MODEL}/model.safetensors", *OPTIONS)
    assert ran.returncode == 0, ran.stdout[-3000:]
    return ran.stdout


def weights(project: Path) -> bytes:
    return (project / MODEL / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the tiny study has run to its end."""
    directory = clone(tmp_path_factory.mktemp("killed") / "carryover")
    for path in built_files():
        name = {"XNLI-1.0.zip": "xnli", "XNLI-MT-1.0.zip": "xnli_mt", "pretrain.txt": "pretrain_text"}[path.name]
        TINY["fetch"]["files"][name] = {"url": str(path)}
    (directory / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    run(directory)
    return directory


@pytest.fixture(scope="module")
def whole(project) -> bytes:
    return weights(project)


def started(project: Path, seed: int) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Snakemake with the fine-tuning under way for a random while since its first checkpoint; all processes under it."""
    shutil.rmtree(project / MODEL, ignore_errors=True)
    command = [sys.executable, "-m", "snakemake", f"{MODEL}/model.safetensors", *OPTIONS, "--cores", "2", "--resources", "gpu=0"]
    environment = {**os.environ, "CARRYOVER_CHECKPOINT_SECONDS": "0.2"}
    process = subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell ignores it in what it runs in the background
    )
    while not list(project.glob("results/tiny/scratch/*/update-*.pt")):
        assert process.poll() is None, "it ended before it saved a checkpoint"
        time.sleep(0.02)
    time.sleep(random.Random(seed).uniform(0, 1))
    return process, psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_with_everything_under_it(project, whole, seed):
    process, below = started(project, seed)
    for each in (process, *below):
        each.kill()
    process.wait()
    assert not (project / MODEL / "model.safetensors").exists()
    assert "removed the locks of a Snakemake that was killed" in run(project)
    assert "going on from update-" in (project / LOG).read_text()
    assert weights(project) == whole


def test_killed_alone_while_its_job_lives_on(project, whole):
    """Two processes then train the same model in the same place: neither harms the other."""
    process, below = started(project, 2)
    process.kill()
    process.wait()
    run(project)
    assert weights(project) == whole
    psutil.wait_procs(below, timeout=300)
    assert weights(project) == whole


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_asked_to_stop_as_a_scheduler_or_a_person_asks(project, whole, name):
    """Every process gets the signal: the job saves and says so, nothing is left half-done."""
    process, _ = started(project, 3)
    os.killpg(process.pid, signal.Signals[name])
    assert process.wait(timeout=300) != 0
    assert f"error: stopped by {name}; after update" in (project / LOG).read_text()
    assert not list((project / MODEL).glob("*"))
    run(project)
    assert "going on from update-" in (project / LOG).read_text()
    assert weights(project) == whole


def test_a_changed_upstream_model_is_trained_on_from_the_start(project, whole, tmp_path):
    """Killed, the pretraining changed, run again: the bits of a study that was like this from the beginning."""
    process, below = started(project, 4)
    for each in (process, *below):
        each.kill()
    process.wait()
    changed = {**TINY, "pretrain": {**TINY["pretrain"], "seed": 1}}
    other = shutil.copytree(project, tmp_path / "other", ignore=shutil.ignore_patterns("scratch", ".snakemake"))
    try:
        (project / "tiny.yaml").write_text(yaml.safe_dump(changed))
        run(project)
        assert "going on from" not in (project / LOG).read_text()
        assert weights(project) != whole
        shutil.rmtree(other / "results/tiny/pretrained")
        (other / "tiny.yaml").write_text(yaml.safe_dump(changed))
        run(other)
        assert weights(project) == weights(other)
    finally:
        (project / "tiny.yaml").write_text(yaml.safe_dump(TINY))
        shutil.rmtree(project / "results/tiny/scratch", ignore_errors=True)
