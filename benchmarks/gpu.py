"""The GPU benchmark: `make bench-gpu`. Tokens a second, model FLOP utilisation, examples a second.

Contestants take turns in one run: ours in bf16 with fp32 weights, Hugging Face's model under the same autocast, the plain
algorithm in fp32. Utilisation is FLOPs of matrix products that the algorithm needs for real tokens, over the datasheet's dense
bf16 rate; see `forward_flops`. Goals, not floors: the exit status says only whether there was a GPU.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import data, hugging_face, ours, plain, smollm2
from benchmarks.cpu import RECIPE, model_of
from benchmarks.data import Source
from benchmarks.timing import HEADER, Check
from carryover.answers.choice import score
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.runtime.devices import choose_device
from carryover.training.loop import Recipe

PEAK = 989e12  # FLOP/s, bf16 without sparsity: NVIDIA's datasheets of the H100 SXM and of the H200
STEPS, WARM_UP = 40, 10
GOALS = {4: None, 32: 30.0, 256: 45.0}  # per cent of the peak


def forward_flops(config: GPT2Config, lengths: np.ndarray, ends: int) -> float:
    """Multiplications and additions of the matrix products of a forward pass over sequences of these lengths.

    A token costs a block 2 (4 D^2 + 2 D F) for its projections and, at position t, 4 D t for scores and sums. The last block
    projects only keys and values for all tokens; the rest of it, and the output matrix, run for `ends` tokens.
    """
    width, tokens = config.n_embd, float(lengths.sum())
    projections = 2 * (4 * width**2 + 2 * width * config.n_inner)
    causal = 4 * width * float((lengths * (lengths + 1) / 2).sum())
    last = 4 * width**2 * tokens + ends * (projections - 4 * width**2) + 4 * width * tokens
    return (config.n_layer - 1) * (projections * tokens + causal) + last + 2 * ends * width * config.vocab_size


class Span:
    """Called after each step: the seconds from the end of the warm-up to the last step, waiting for the device only there."""

    def __init__(self) -> None:
        self.count, self.started, self.seconds = 0, 0.0, 0.0

    def __call__(self, loss: object = None) -> None:
        self.count += 1
        if self.count in (WARM_UP, STEPS):
            torch.cuda.synchronize()
            self.started, self.seconds = time.perf_counter(), time.perf_counter() - self.started


def finetuning(source: Source, config: GPT2Config, batch_size: int, rounds: int = 3) -> list[Check]:
    """Tokens a second and utilisation at one batch size."""
    recipe: Recipe = dataclasses.replace(RECIPE, batch_size=batch_size, precision="bf16", epochs=1)
    train = data.repeated(source.train, max(len(source.train), batch_size * (STEPS + 2)))
    model = model_of(config, 0.1).cuda()
    theirs, simple = hugging_face.twin(model), plain.PlainGPT2(model)
    chosen = ours.batches(len(train), recipe, STEPS)
    contestants = {
        "ours": lambda span: ours.finetune(model, train, recipe, STEPS, span),
        "Hugging Face": lambda span: hugging_face.finetune(theirs, train, chosen, recipe, span),
        "plain, fp32": lambda span: plain.finetune(simple, train, chosen, recipe, span),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            span = Span()
            run(span)
            seconds[name].append(span.seconds / (STEPS - WARM_UP))
    lengths = train.lengths[np.concatenate(chosen[WARM_UP:])]
    tokens = lengths.sum() / (STEPS - WARM_UP)
    flops = 3 * forward_flops(config, lengths, len(lengths)) / (STEPS - WARM_UP)
    checks = []
    for name, theirs_seconds in seconds.items():
        step = float(np.median(theirs_seconds))
        work = f"fine-tuning, {source.name}, batch {batch_size}, {name}"
        goal = GOALS[batch_size] if name == "ours" else None
        checks += [Check(f"{work}: a step", 1e3 * step, "ms"), Check("  tokens a second", tokens / step, "")]
        checks.append(Check("  model FLOP utilisation", 100 * flops / step / PEAK, "%", goal=goal))
    weights = sum(parameter.numel() for parameter in model.parameters())
    # AdamW reads weight, gradient and two moments and writes three of them, 4 bytes each.
    checks.append(Check("  bytes that AdamW moves in a step", 28 * weights / 1e9, "GB"))
    return checks


def prediction(sets: list[data.XNLIDataset], model: GPT2Model) -> list[Check]:
    """The seconds for all test examples of all languages, and examples a second of each contestant on the first language."""
    theirs, simple, rows = hugging_face.twin(model), plain.PlainGPT2(model), sum(map(len, sets))
    few = data.premises_of(sets[0], 100)
    runs = {
        f"ours, bf16, all {rows:,} examples": (rows, lambda: [score(model, one, "bf16") for one in sets]),
        "ours, bf16": (len(sets[0]), lambda: score(model, sets[0], "bf16")),
        "ours, fp32": (len(sets[0]), lambda: score(model, sets[0], "fp32")),
        "Hugging Face, bf16": (len(sets[0]), lambda: hugging_face.evaluate(theirs, sets[0], autocast=True)),
        "plain, fp32": (len(few), lambda: plain.label_logp(simple, few)),
    }
    checks = []
    for name, (count, run) in runs.items():
        score(model, few, "bf16")
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        checks.append(Check(f"prediction, {name}: examples a second", count / seconds, ""))
        if "all" in name:
            checks.append(Check("  seconds (goal: under 20)", seconds, "s"))
    return checks


def main() -> int:
    """Prints the table; 1 where there is no GPU."""
    if choose_device(1, 4).type != "cuda":
        print("no CUDA device is visible: nothing was measured")
        return 1
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {time.strftime('%Y-%m-%d')}")
    print(HEADER)
    config = GPT2Config()
    with tempfile.TemporaryDirectory() as directory:
        source = data.sources(Path(directory))[-1]
        for batch_size in GOALS:
            for check in finetuning(source, config, batch_size):
                print(check.line(), flush=True)
        for check in prediction(data.test_sets(source), model_of(config, 0.1).cuda()):
            print(check.line(), flush=True)
        for check in smollm2.on_gpu(source, smollm2.Size(premises=len(source.test), steps=STEPS)):
            print(check.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
