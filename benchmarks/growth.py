"""Time and memory of the toy model on as many examples as asked, in a process of its own; a line of JSON.

python -m benchmarks.growth score|train TOKENS REPEATS
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import ours
from carryover.answers import choice
from carryover.answers.choice import score
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.runtime.job import peak_memory_mb
from carryover.training.loop import Recipe

TOY = {"n_embd": 128, "n_layer": 2, "n_head": 4, "n_inner": 384}
UPDATES = 200


def main(kind: str, path: str, repeats: int) -> dict[str, float]:
    """Milliseconds an example (the median of `repeats`) and the process's largest resident size in MiB."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = choice.load([Path(path)])
    model = GPT2Model(GPT2Config(vocab_size=4096, **TOY))
    if kind == "score":
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            score(model, data, "fp32")
            times.append((time.perf_counter() - started) / len(data))
    else:
        marks: list[float] = []
        recipe = Recipe(1e-3, 4, 1, 0.01, (0.9, 0.999), 1e-6, 0.0, "constant", 0.0, "fp32")
        ours.finetune(model, data, recipe, min(UPDATES, len(data) // 4 - 1), lambda loss: marks.append(time.perf_counter()))
        times = np.diff(marks) / 4
    return {"rows": len(data), "ms": 1e3 * float(np.median(times)), "memory_mb": peak_memory_mb()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
