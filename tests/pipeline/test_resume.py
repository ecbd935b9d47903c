"""Training through the real scripts: the same bits twice, killed at any place, and never on from another run."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from carryover.data import tokenizer
from carryover.planning.keys import canonical
from kill_at import PLACES
from mini_corpus import built
from study_runner import job_arguments

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
RECIPE = {"lr": 2e-3, "batch_size": 4, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-6, "warmup": 0.1}
RECIPE |= {"schedule": "linear", "clip": 1.0, "precision": "fp32", "dropout": 0.1}
PARTS = {"models": "gpt2", "methods": "full", "answers": "choice"}
FINETUNE = {"parts": PARTS, "languages": ["en", "es"], "seed": 0, "threads": 1}
FINETUNE |= {"recipe": {**RECIPE, "method": "full", "epochs": 3, "view": "full"}}
PRETRAIN = {"line_length": 24, "held_out": 0.1, "seed": 0, "threads": 1, "positions": 64, "width": 16, "layers": 1, "heads": 2}
PRETRAIN |= {"feed_forward": 24, "recipe": {**RECIPE, "epochs": 2}}
Kill = tuple[str, str, int]  # the signal, the place, and the how-manieth time that it is reached
NEVER: Kill = ("SIGKILL", "update", 0)
OFTEN = {"update": 12, "backward": 12, "evaluation": 2, "half a checkpoint": 4, "rename of a checkpoint": 4}  # at most, in a run
ENDS = {"SIGKILL": -9, "SIGTERM": 143}
MODEL = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


class Workshop:
    """A folder with inputs, and the scripts run in it as rules run them."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def command(self, script: str, config: dict, target: str, kill: tuple[str, int] = ("update", 0)) -> list[str]:
        inputs = {
            "finetune": {
                "model": [f"start/{name}" for name in MODEL],
                "train": ["en.train", "es.train"],
                "dev": ["en.dev"] * 2,
            },
            "pretrain": {"text": ["text.txt"], "tokenizer": [f"start/{name}" for name in MODEL[2:]]},
            "predict": {"model": [f"whole/{name}" for name in MODEL], "tokens": ["en.dev", "en.train"]},
        }[script]
        outputs = {
            "finetune": {"model": MODEL, "curve": ["curve.csv"], "epochs": ["dev.csv"], "facts": ["training.json"]},
            "pretrain": {"model": MODEL, "curve": ["curve.csv"], "facts": ["pretrain.json"]},
            "predict": {"predictions": ["en.dev.parquet", "en.train.parquet"]},
        }[script]
        made = [sys.executable, str(TESTS / "kill_at.py"), *map(str, kill), str(ROOT / f"workflow/scripts/{script}.py")]
        made += ["--key", canonical({"code": "0", "config": config}), "--log", f"{target}.log"]
        made += ["--provenance", f"{target}/provenance.json", *(["--scratch", "scratch"] if script != "predict" else [])]
        made += job_arguments(inputs, {name: [f"{target}/{file}" for file in names] for name, names in outputs.items()})
        return made

    def start(self, script: str, config: dict, target: str, kill: Kill, **environment: str) -> tuple[int, str]:
        """Runs it after removing its outputs, as Snakemake does. Returns its status and what it said."""
        shutil.rmtree(self.place / target, ignore_errors=True)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{TESTS}", "PYTHONSAFEPATH": "1", **environment}
        ran = subprocess.run(
            self.command(script, config, target, kill), cwd=self.place, env=environment, capture_output=True, text=True
        )
        return ran.returncode, ran.stderr

    def run(self, script: str, config: dict, target: str, kill: Kill = NEVER, **environment: str) -> str:
        """Fails where it ends in another way than foreseen. Returns what it said."""
        status, said = self.start(script, config, target, kill, **environment)
        assert status == (0 if kill == NEVER else ENDS[kill[0]]), (kill, said[-3000:])
        return said

    def killed_at(self, script: str, config: dict, target: str, kills: list[Kill]) -> list[Kill]:
        """Runs it as often, each time to be killed, from where the run before left off. Returns the kills that were reached."""
        status = [(kill, self.start(script, config, target, kill)) for kill in kills]
        assert all(code in (0, ENDS[kill[0]]) for kill, (code, _) in status), status
        return [kill for kill, (code, _) in status if code]

    def checkpoints(self) -> list[Path]:
        return sorted((self.place / "scratch").glob("*/update-*.pt"))

    def results(self, target: str) -> dict[str, object]:
        """What a run wrote, without times and sizes in memory."""
        found: dict[str, object] = {path.name: path.read_bytes() for path in (self.place / target).iterdir()}
        del found["provenance.json"]
        for name in found.keys() & {"training.json", "pretrain.json"}:
            facts = json.loads(found[name])
            found[name] = {fact: value for fact, value in facts.items() if fact not in ("seconds", "peak_memory_mb")}
        return found


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, make_model, make_prompts) -> Workshop:
    place = tmp_path_factory.mktemp("workshop")
    make_model(vocab_size=384, eos_token_id=0).save_pretrained(place / "start")
    text = "\n".join(built()["pretrain.txt"].decode().split("\n")[:120])
    (place / "text.txt").write_text(text, encoding="utf-8")
    tokenizer.save(tokenizer.train_bpe(place / "text.txt", 384), place / "start")
    for number, name in enumerate(("en.train", "es.train", "en.dev")):
        make_prompts(12, seed=number).save(place / name)
    return Workshop(place)


@pytest.fixture(scope="module")
def whole(workshop) -> dict[str, object]:
    """A fine-tuning that nothing disturbed."""
    workshop.run("finetune", FINETUNE, "whole")
    assert not list((workshop.place / "scratch").iterdir())
    return workshop.results("whole")


def chain(seed: int) -> list[Kill]:
    """Places at random to be killed at, one run after the other; the last after all updates."""
    draw = random.Random(seed)
    places = draw.sample(sorted(OFTEN), 3)
    late = draw.choice(sorted(PLACES.keys() - OFTEN.keys() - {"pruning of checkpoints"}))
    chosen = [(draw.choice(["SIGKILL", "SIGTERM"]), place, draw.randint(1, OFTEN[place])) for place in places]
    return [*chosen, ("SIGKILL", late, 1)]


def test_fine_tuning_killed_once_ends_in_the_same_bits(workshop, whole):
    workshop.run("finetune", FINETUNE, "killed", ("SIGKILL", "update", 20))
    assert len(workshop.checkpoints()) == 2
    assert "going on from" in workshop.run("finetune", FINETUNE, "killed")
    assert workshop.results("killed") == whole


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_fine_tuning_killed_again_and_again_ends_in_the_same_bits(workshop, whole, seed):
    target = f"killed-{seed}"
    assert len(workshop.killed_at("finetune", FINETUNE, target, chain(seed))) >= 3
    assert "going on from" in workshop.run("finetune", FINETUNE, target)
    assert workshop.results(target) == whole
    assert not workshop.checkpoints()


@pytest.mark.slow
def test_pretraining_killed_again_and_again_ends_in_the_same_bits(workshop):
    workshop.run("pretrain", PRETRAIN, "pretrained")
    whole = workshop.results("pretrained")
    assert len(workshop.killed_at("pretrain", PRETRAIN, "pretrained", chain(2))) >= 3
    assert "going on from" in workshop.run("pretrain", PRETRAIN, "pretrained")
    assert workshop.results("pretrained") == whole


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "4"])
def test_the_same_bits_in_another_process_whatever_threads_it_is_offered(workshop, whole, workers):
    """Batches are made by the training itself: no number of workers, and none of threads but the config's, is in a result."""
    offered = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), workers)
    workshop.run("finetune", FINETUNE, "again", **offered, PYTHONHASHSEED=workers)
    assert workshop.results("again") == whole
    predictions = []
    for target, environment in (("predicted", {}), ("predicted-again", offered)):
        workshop.run("predict", {"parts": PARTS, "precision": "fp32", "threads": 1}, target, **environment)
        predictions.append(workshop.results(target))
    assert predictions[0] == predictions[1] and len(predictions[0]) == 2


@pytest.mark.parametrize("what", ["recipe", "upstream model", "training text"])
def test_another_run_is_never_gone_on_from(workshop, whole, what, make_model, make_prompts):
    """Killed, then changed: the new run starts from nothing. Changed back, the old one goes on where it was."""
    workshop.run("finetune", FINETUNE, "changed", ("SIGKILL", "update", 20))
    left, config = workshop.checkpoints(), FINETUNE
    kept = {path: path.read_bytes() for path in (workshop.place / "start/model.safetensors", workshop.place / "es.train")}
    if what == "recipe":
        config = {**FINETUNE, "recipe": {**FINETUNE["recipe"], "lr": 2.1e-3}}
    elif what == "upstream model":
        make_model(1, vocab_size=384, eos_token_id=0).save_pretrained(workshop.place / "start")
    else:
        make_prompts(12, seed=7).save(workshop.place / "es.train")
    assert "going on from" not in workshop.run("finetune", config, "changed")
    assert workshop.results("changed")["model.safetensors"] != whole["model.safetensors"]
    for path, content in kept.items():
        path.write_bytes(content)
    assert workshop.checkpoints() == left
    assert "going on from" in workshop.run("finetune", FINETUNE, "changed")
    assert workshop.results("changed") == whole


def test_loss_that_is_no_number_leaves_no_result_and_no_checkpoint_of_it(workshop):
    config = {**FINETUNE, "recipe": {**FINETUNE["recipe"], "lr": 1e12, "clip": 0.0, "warmup": 0.0}}
    for _ in range(2):
        status, said = workshop.start("finetune", config, "diverged", NEVER)
        (line,) = [line for line in said.splitlines() if "error:" in line]
        assert status == 1 and "Traceback" not in (workshop.place / "diverged.log").read_text()
        assert re.search(r"stopped being a number at update \d+ \(learning rate \S+, batch \d+ of its epoch", line)
        assert int(re.search(r"at update (\d+)", line)[1]) <= 50
        assert not list((workshop.place / "diverged").glob("*"))
    for path in workshop.checkpoints():
        state = torch.load(path, weights_only=True)
        assert all(tensor.isfinite().all() for tensor in state["model"].values())
        path.unlink()


TOKENIZING = """
import hashlib, sys
from pathlib import Path
import pandas as pd
from carryover.data import prompts, tokenizer
made = tokenizer.train_bpe(Path("text.txt"), 500)
lines = tokenizer.read_lines(Path("text.txt")) * 100
table = pd.DataFrame({"premise": lines, "hypothesis": lines[::-1], "target": 0, "id": 0, "cluster": 0})
dataset, _ = prompts.tokenize(table, made, "{premise} {hypothesis} Label:", ["premise", "hypothesis"], ["0", "1", "2"], 1024)
dataset.save(Path(sys.argv[1]))
tokenizer.save(made, Path(sys.argv[1] + "-tokenizer"))
"""


def test_tokens_are_the_same_with_one_worker_and_with_four(workshop):
    made = []
    for workers in ("1", "4"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "RAYON_NUM_THREADS": workers}
        name = f"tokens-{workers}"
        subprocess.run([sys.executable, "-c", TOKENIZING, name], cwd=workshop.place, env=environment, check=True)
        made.append([(workshop.place / path).read_bytes() for path in (name, f"{name}-tokenizer/tokenizer.json")])
    assert made[0] == made[1]
