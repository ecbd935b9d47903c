"""The CPU benchmark: `make bench`. Ratios against the plain algorithm and Hugging Face, equality, generation, growth, start-up.

Contestants take turns in one run, on the same weights and data; each number is a median. Exits with status 1 where a floor is
missed, and says which in its last line.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import data, hugging_face, ours, plain, smollm2
from benchmarks.data import ROOT, Source
from benchmarks.generation import generation
from benchmarks.timing import HEADER, Check, Stopwatch, clocked, equal_losses, ratios, verdict, whole
from benchmarks.writing import writing
from carryover.answers.choice import score
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.runtime.devices import processor
from carryover.training.loop import Recipe
from carryover.training.pretraining import TextDataset

RECIPE = Recipe(5e-5, 4, 1, 0.01, (0.9, 0.999), 1e-6, 0.0, "constant", 0.0, "fp32")
TOY = {"n_embd": 128, "n_layer": 2, "n_head": 4, "n_inner": 384}
# Ratios: floor and goal, against the plain algorithm and against Hugging Face.
EVALUATION = {"plain": (5.0, 9.0), "Hugging Face": (3.0, 5.0)}
FINETUNING = {4: {"plain": (1.75, 3.0), "Hugging Face": (1.4, 2.3)}, 32: {"plain": (2.4, 4.0), "Hugging Face": (1.8, 3.0)}}
# Where a processor has AVX-512 and where not: there both take most of their time for the same products, which are slower.
PRETRAINING = {True: {"plain": (2.9, 6.0)}, False: {"plain": (2.0, 6.0)}}


@dataclass(frozen=True)
class Size:
    """How much is measured. model: the large one; premises: whose rows are scored; steps: of a turn, by batch size, the
    first a warm-up; growing: numbers of examples, of which the last costs at most a quarter more than the first."""

    model: GPT2Config = dataclasses.field(default_factory=GPT2Config)
    premises: int = 60
    rounds: int = 3
    steps: dict[int, int] = dataclasses.field(default_factory=lambda: {4: 4, 32: 2})
    pretraining_steps: int = 6
    equal_steps: int = 20
    growing: tuple[int, ...] = (1_000, 10_000, 75_000)
    smollm2: smollm2.Size = dataclasses.field(default_factory=smollm2.Size)


def has_avx512() -> bool:
    """Whether PyTorch's kernels use the wider of the two kinds of vectors here."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def model_of(config: GPT2Config, dropout: float) -> GPT2Model:
    """Random weights, the same at each call."""
    torch.manual_seed(0)
    return GPT2Model(dataclasses.replace(config, dropout=dropout))


def evaluation(source: Source, size: Size, judged: bool) -> list[Check]:
    """Scoring prompts whose premises are shared by three hypotheses."""
    model, asked = model_of(size.model, 0.1), data.premises_of(source.test, size.premises)
    theirs, simple = hugging_face.twin(model), plain.PlainGPT2(model)
    contestants = {
        "ours": whole(lambda: score(model, asked, "fp32")),
        "Hugging Face": whole(lambda: hugging_face.evaluate(theirs, asked)),
        "plain": whole(lambda: plain.evaluate(simple, asked, source.tokenizer, data.LABELS)),
    }
    checks = ratios(f"evaluation, {source.name}, {len(asked)} examples", contestants, size.rounds, EVALUATION, judged)
    few = data.premises_of(source.test, max(2, size.premises // 5))
    difference = np.abs(score(model, few, "fp32").logp - plain.label_logp(simple, few)).max()
    return [*checks, Check(f"  largest difference of a label's log-probability, {source.name}", difference, "nats", most=1e-5)]


def finetuning(source: Source, size: Size, batch_size: int, judged: bool) -> list[Check]:
    """Steps of fine-tuning, with dropout, as published."""
    recipe, steps = dataclasses.replace(RECIPE, batch_size=batch_size), size.steps[batch_size]
    model = model_of(size.model, 0.1)
    theirs, simple = hugging_face.twin(model), plain.PlainGPT2(model)
    chosen = ours.batches(len(source.train), recipe, steps)
    contestants = {
        "ours": clocked(lambda watch: ours.finetune(model, source.train, recipe, steps, watch)),
        "Hugging Face": clocked(lambda watch: hugging_face.finetune(theirs, source.train, chosen, recipe, watch)),
        "plain": clocked(lambda watch: plain.finetune(simple, source.train, chosen, recipe, watch)),
    }
    work = f"fine-tuning step, {source.name}, batch {batch_size}"
    return ratios(work, contestants, size.rounds, FINETUNING[batch_size], judged)


def pretraining(source: Source, size: Size, judged: bool) -> list[Check]:
    """Steps of the toy model's pretraining on lines of up to 128 tokens, at the vocabulary of the large model."""
    recipe, steps = dataclasses.replace(RECIPE, lr=1e-3, weight_decay=1e-4), size.pretraining_steps
    text = TextDataset.from_file(source.text, source.tokenizer, 128)
    config = GPT2Config(vocab_size=size.model.vocab_size, **TOY)
    model = model_of(config, 0.1)
    simple, chosen = plain.PlainGPT2(model), ours.batches(len(text), recipe, steps)
    contestants = {
        "ours": clocked(lambda watch: ours.pretrain(model, text, recipe, steps, watch)),
        "plain": clocked(lambda watch: plain.pretrain(simple, text, chosen, recipe, watch)),
    }
    work = f"toy pretraining step, {source.name}, vocabulary {config.vocab_size}"
    checks = ratios(work, contestants, size.rounds, PRETRAINING[has_avx512()], judged)
    model = model_of(config, 0.0)
    simple, chosen = plain.PlainGPT2(model), ours.batches(len(text), recipe, size.equal_steps)
    mine, others = Stopwatch(), Stopwatch()
    ours.pretrain(model, text, recipe, size.equal_steps, mine)
    plain.pretrain(simple, text, chosen, recipe, others, count_padding=False)
    return [*checks, equal_losses(f"pretraining, {source.name}, padding not counted", mine, others)]


def same_losses(source: Source, size: Size) -> Check:
    """Fine-tuning without dropout, beside the plain algorithm."""
    model = model_of(size.model, 0.0)
    simple, mine, others = plain.PlainGPT2(model), Stopwatch(), Stopwatch()
    ours.finetune(model, source.train, RECIPE, size.equal_steps, mine)
    plain.finetune(simple, source.train, ours.batches(len(source.train), RECIPE, size.equal_steps), RECIPE, others)
    return equal_losses(f"fine-tuning, {source.name}", mine, others)


def growth(source: Source, size: Size, scratch: Path) -> list[Check]:
    """Time and memory per example as the examples grow, each measured in a process of its own."""
    checks = []
    for kind in ("score", "train"):
        measured = []
        for rows in size.growing:
            path = scratch / f"{rows}.safetensors"
            data.repeated(source.test, rows).save(path)
            repeats = 5 if rows < size.growing[-1] else 1
            measured.append(json.loads(_python("-m", "benchmarks.growth", kind, str(path), str(repeats))))
            name = f"toy model, {kind}, {rows:,} examples: an example"
            checks += [Check(name, measured[-1]["ms"], "ms"), Check("  its process at most", measured[-1]["memory_mb"], "MiB")]
        first, *_, last = measured
        checks.append(Check(f"toy model, {kind}: time an example, last over first", last["ms"] / first["ms"], "x", most=1.25))
        memory = last["memory_mb"] / first["memory_mb"]
        checks.append(Check(f"toy model, {kind}: memory, last over first", memory, "x", most=1.25))
    return checks


def start_up(source: Source, size: Size, scratch: Path) -> Check:
    """From the start of a fine-tuning job of the large model to its first batch."""
    model_of(size.model, 0.1).save_pretrained(scratch / "model")
    source.train.save(scratch / "train.safetensors")
    recipe = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(RECIPE).items()}
    recipe |= {"method": "full", "dropout": 0.1, "view": "full"}
    parts = {"models": "gpt2", "methods": "full", "answers": "choice"}
    config = {"parts": parts, "recipe": recipe, "languages": ["en"], "seed": 0, "threads": 2}
    arguments = ["--key", json.dumps({"config": config}), "--scratch", str(scratch / "unfinished")]
    arguments += ["--inputs", *(str(scratch / name) for name in ("model/config.json", "train.safetensors", "train.safetensors"))]
    arguments += ["--input-names", str({"model": (0, None), "train": (1, None), "dev": (2, None)})]
    arguments += ["--outputs", *(str(scratch / "out" / name) for name in ("config.json", "curve.csv"))]
    arguments += ["--output-names", str({"model": (0, None), "curve": (1, None)})]
    seconds = []
    for _ in range(size.rounds):
        os.environ["CARRYOVER_BENCH_STARTED"] = str(time.time())
        seconds.append(float(_python("-m", "benchmarks.start", str(ROOT / "workflow/scripts/finetune.py"), *arguments)))
    return Check("start of a fine-tuning job to its first batch", float(np.median(seconds)), "s", most=4.0)


def _python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT}"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip().splitlines()[-1]


def measure(size: Size, found: list[Source], scratch: Path) -> list[Check]:
    """Everything. Floors are for the last source: real text where it is there."""
    checks: list[Check] = []

    def show(*new: Check) -> None:
        for check in new:
            print(check.line(), flush=True)
        checks.extend(new)

    for source in found:
        judged = source is found[-1]
        show(*evaluation(source, size, judged))
        for batch_size in size.steps if judged else list(size.steps)[:1]:
            show(*finetuning(source, size, batch_size, judged))
        show(same_losses(source, copy.copy(size) if judged else dataclasses.replace(size, equal_steps=size.equal_steps // 4)))
    show(*pretraining(found[-1], size, True))
    show(*smollm2.scoring(found[-1], size.smollm2, True))
    show(*smollm2.finetuning(found[-1], size.smollm2, True))
    show(*generation(model_of(size.model, 0.0), 5 * size.rounds, min(512, size.model.n_positions)))
    show(*writing(size.smollm2.shape, size.smollm2.rounds))
    show(*growth(found[0], size, scratch))
    show(start_up(found[-1], size, scratch))
    return checks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of every contestant")
    torch.set_num_threads(parser.parse_args().threads)
    vectors = "AVX-512" if has_avx512() else "no AVX-512"
    print(f"{processor()} ({vectors}), PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    print(HEADER)
    with tempfile.TemporaryDirectory() as directory:
        line, status = verdict(measure(Size(), data.sources(Path(directory)), Path(directory)))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    print(line)
    sys.exit(status)
