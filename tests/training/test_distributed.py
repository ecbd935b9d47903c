"""Fine-tuning on several devices: two processes on pretended GPUs, by the script that the rule calls."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file

from carryover.planning.keys import canonical
from carryover.planning.schema import method_files
from carryover.runtime import leases
from carryover.runtime.devices import PROCESSOR, VISIBLE, has_bf16
from study_runner import PROJECT, job_arguments
from tiny_models import build

RECIPE = {"lr": 1e-3, "batch_size": 4, "epochs": 3, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-6, "warmup": 0.1}
RECIPE |= {
    "method": "full",
    "schedule": "linear",
    "clip": 1.0,
    "precision": "fp32",
    "dropout": 0.0,
    "view": "full",
    "max_updates": None,
    "batches": "shuffled",
}


@pytest.fixture
def study(tmp_path, make_model, make_prompts):
    """A folder with a small model and its tokens; 41 rows in batches of 4 leave a last batch of one."""
    make_model(std=0.05).save_pretrained(tmp_path / "backbone")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "backbone" / name).write_text("{}")
    data = make_prompts(40, seed=3)
    rows = 41
    for name, count in (("train", rows), ("dev", 30)):
        parts = {"ids": data.ids[: data.offsets[count]], "offsets": data.offsets[: count + 1], "candidates": data.candidates}
        parts |= {key: getattr(data, key)[:count] for key in ("targets", "row_ids", "clusters")}
        type(data)(**parts).save(tmp_path / f"en.{name}.safetensors")
    return tmp_path


def start(study: Path, out: str, gpus: int, seconds: str = "1000", implementation: str = "gpt2", **recipe) -> subprocess.Popen:
    """Starts the fine-tuning script; its screen is out/screen."""
    recipe = {**RECIPE, **recipe}
    parts = {"models": implementation, "methods": recipe["method"], "answers": "choice"}
    config = {"parts": parts, "recipe": recipe, "languages": ["en"], "seed": 1, "threads": 1}
    command = [sys.executable, str(PROJECT / "workflow/scripts/finetune.py"), "--key", canonical({"config": config})]
    command += ["--log", f"{out}/log", "--provenance", f"{out}/provenance.json", "--minutes", "9", "--gpu", str(gpus)]
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    inputs = {"model": [f"backbone/{name}" for name in names], "train": "en.train.safetensors", "dev": "en.dev.safetensors"}
    outputs = {"model": [f"{out}/{name}" for name in method_files(recipe["method"])]}
    outputs |= {"curve": f"{out}/curve.csv", "epochs": f"{out}/dev.csv", "facts": f"{out}/training.json"}
    command += ["--scratch", "scratch", *job_arguments(inputs, outputs)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow"), "PYTHONSAFEPATH": "1", VISIBLE: "0,1"}
    environment |= {leases.FOLDER: str(study / "leases"), "CARRYOVER_CHECKPOINT_SECONDS": seconds}
    (study / out).mkdir(exist_ok=True)
    screen = (study / out / "screen").open("w")
    return subprocess.Popen(command, cwd=study, env=environment, stdout=screen, stderr=subprocess.STDOUT)


def finish(study: Path, out: str, gpus: int, **options) -> Path:
    status = start(study, out, gpus, **options).wait()
    assert status == 0, (study / out / "screen").read_text()
    return study / out


def ranks(job: subprocess.Popen) -> dict[int, psutil.Process]:
    """The processes of a running job that train, by number."""
    found = [process for process in psutil.Process(job.pid).children(recursive=True) if "RANK" in process.environ()]
    return {int(process.environ()["RANK"]): process for process in found}


def wait_for(event, job: subprocess.Popen) -> None:
    """Waits until `event()` is true; the job must not end before."""
    until = time.monotonic() + 600  # on a machine that does much else
    while not event():
        assert job.poll() is None and time.monotonic() < until, "it ended before it could be disturbed"
        time.sleep(0.02)


def test_two_processes_have_the_losses_of_one(study):
    alone, together = (finish(study, out, gpus) for out, gpus in (("alone", 1), ("together", 2)))
    log = (together / "log").read_text()
    assert "leased GPU 0, 1 of 0, 1" in log and "training on 2 devices" in log and log.count("epoch 3: ") == 1
    curves = [pd.read_csv(directory / "curve.csv") for directory in (alone, together)]
    assert list(curves[0]["step"]) == list(curves[1]["step"]) == [11, 22, 33]
    assert (curves[0]["loss"] - curves[1]["loss"]).abs().max() < 1e-5
    pd.testing.assert_frame_equal(*(pd.read_csv(directory / "dev.csv") for directory in (alone, together)))
    before, one, two = (load_file(path / "model.safetensors") for path in (study / "backbone", alone, together))
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-4
    assert max((one[name] - before[name]).abs().max() for name in one) > 1e-3  # there was something to get wrong
    told = json.loads((together / "provenance.json").read_text())
    made = {path.name for path in together.iterdir()} - {"log", "screen", "provenance.json"}
    assert {Path(name).name for name in told["outputs"]} == made
    assert not list((study / "scratch").glob("*"))


@pytest.mark.skipif(has_bf16(PROCESSOR.read_text()), reason="this processor has what the test wants one without")
def test_bf16_is_refused_before_anything_is_read(study):
    """On a processor that would emulate it: one line, and no traceback."""
    (study / "backbone/model.safetensors").write_bytes(b"")
    assert start(study, "out", 1, precision="bf16").wait() == 1
    errors = [line for line in (study / "out/screen").read_text().splitlines() if "error" in line.lower()]
    assert len(errors) == 1 and "error: precision bf16: this processor" in errors[0] and "precision: fp32" in errors[0]


@pytest.mark.slow
def test_low_rank_updates_of_a_llama_have_the_losses_of_one_process(study):
    """Another model, and another method, by the same two processes."""
    build("llama").save_pretrained(study / "backbone")
    updates = {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": None}
    options = {"implementation": "hugging_face", "method": "lora", "lora": updates}
    alone, together = (finish(study, out, gpus, **options) for out, gpus in (("alone", 1), ("together", 2)))
    assert "training on 2 devices" in (together / "log").read_text()
    curves = [pd.read_csv(directory / "curve.csv") for directory in (alone, together)]
    assert (curves[0]["loss"] - curves[1]["loss"]).abs().max() < 1e-5
    one, two = (load_file(path / "adapter_model.safetensors") for path in (alone, together))
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-4
    assert min(one[name].abs().max() for name in one if "lora_B" in name) > 1e-4  # B began at 0
    assert not (together / "model.safetensors").exists()


@pytest.mark.slow
def test_micro_batches_of_two_processes_have_the_losses_of_whole_batches_of_one(study):
    """A row of each process at a time: two micro-batches an update, and one process without a row in the last."""
    alone = finish(study, "alone", 1)
    together = finish(study, "together", 2, micro_batch_size=1)
    curves = [pd.read_csv(directory / "curve.csv") for directory in (alone, together)]
    assert (curves[0]["loss"] - curves[1]["loss"]).abs().max() < 1e-5
    one, two = (load_file(path / "model.safetensors") for path in (alone, together))
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-4


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_said_once(study, make_model):
    model = make_model()
    torch.nn.init.constant_(model.position_embedding.weight, float("nan"))
    model.save_pretrained(study / "backbone")
    assert start(study, "out", 2).wait() == 1
    errors = [line for line in (study / "out/screen").read_text().splitlines() if "error" in line.lower()]
    assert len(errors) == 1 and "error: the loss stopped being a number at update" in errors[0]
    assert "Traceback" not in (study / "out/screen").read_text() and not (study / "out/model.safetensors").exists()


@pytest.mark.slow
def test_when_one_process_is_killed_the_job_fails_with_one_line(study):
    job = start(study, "out", 2, seconds="0", epochs=500)
    wait_for(lambda: list(study.glob("scratch/*/update-*.pt")), job)
    ranks(job)[1].kill()
    assert job.wait(timeout=90) == 1
    errors = [line for line in (study / "out/screen").read_text().splitlines() if "error" in line.lower()]
    assert len(errors) == 1 and "error: one of the 2 processes was killed; the next run goes on from the last" in errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("micro", [None, 1])
def test_a_run_that_was_disturbed_ends_in_the_same_bits(study, micro):
    """Asked to stop, then killed: the processes go with the job, and the next run goes on, dropout included."""
    recipe = {"epochs": 60, "dropout": 0.1, "micro_batch_size": micro}
    undisturbed = finish(study, "undisturbed", 2, **recipe)
    job = start(study, "out", 2, seconds="0", **recipe)
    wait_for(lambda: list(study.glob("scratch/*/update-*.pt")), job)
    job.terminate()
    assert job.wait(timeout=120) == 128 + signal.SIGTERM
    seen = max(study.glob("scratch/*/update-*.pt"))
    job = start(study, "out", 2, seconds="0", **recipe)
    wait_for(lambda: max(study.glob("scratch/*/update-*.pt")) > seen, job)
    orphans = list(ranks(job).values())
    job.kill()
    assert not psutil.wait_procs(orphans, timeout=120)[1]
    finish(study, "out", 2, **recipe)
    assert "going on from update-" in (study / "out/log").read_text()
    for name in ("model.safetensors", "curve.csv", "dev.csv"):
        assert (study / "out" / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [2, 1])
def test_a_run_that_goes_on_has_the_losses_of_one_that_was_never_shared(study, gpus):
    """Stopped with two processes; two, or one, go on from their checkpoint."""
    recipe = {"epochs": 30, "lr": 1e-4}
    alone = finish(study, "alone", 1, **recipe)
    job = start(study, "out", 2, seconds="0", **recipe)
    wait_for(lambda: list(study.glob("scratch/*/update-*.pt")), job)
    job.terminate()
    assert job.wait(timeout=120) == 128 + signal.SIGTERM
    finish(study, "out", gpus, **recipe)
    assert "going on from update-" in (study / "out/log").read_text()
    losses = [pd.read_csv(directory / "curve.csv")["loss"] for directory in (alone, study / "out")]
    assert len(losses[0]) == 30 and (losses[0] - losses[1]).abs().max() < 1e-5
