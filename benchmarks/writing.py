"""Text from a model of SmolLM2-135M's shape at random weights, against transformers' `generate` on the same batch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.timing import Check, medians, whole
from carryover.evaluation.generation import generate
from carryover.models.hugging_face import HuggingFaceModel

FLOOR, GOAL = {"few-shot prompts": 1.5, "prompts of their own": 1.0}, 3.0


def prompts_of(rows: int, shared: int, vocabulary: int) -> list[list[int]]:
    """Random prompts of the lengths that XNLI's have, log-normal around 50 tokens, after so many tokens that all share."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(50), 0.5, rows).astype(int), 8, 200)
    beginning = rng.integers(vocabulary, size=shared)
    return [np.concatenate([beginning, rng.integers(vocabulary, size=length)]).tolist() for length in lengths]


def writing(shape: dict[str, Any], rounds: int, rows: int = 16, new: int = 24, shared: int = 256) -> list[Check]:
    """New tokens a second, the greedy ones of both the same; with and without demonstrations that all prompts begin with."""
    torch.manual_seed(0)
    longest = 2 * (shared + 200) + new  # no text ends before it is as long as all
    theirs = LlamaForCausalLM(LlamaConfig(**shape | {"max_position_embeddings": longest, "eos_token_id": None})).eval()
    model, checks = HuggingFaceModel(copy.deepcopy(theirs)), []
    for name, beginning in (("prompts of their own", 0), ("few-shot prompts", shared)):
        prompts = prompts_of(rows, beginning, shape["vocab_size"])
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        real = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        options = {"do_sample": False, "max_new_tokens": new, "eos_token_id": None, "pad_token_id": 0}

        def ours(prompts: list[list[int]] = prompts) -> list[list[int]]:
            return [continuation.tokens for continuation in generate(model, prompts, new)]

        def others(ids: torch.Tensor = ids, real: torch.Tensor = real, options: dict[str, Any] = options) -> list[list[int]]:
            return theirs.generate(ids, attention_mask=real, **options)[:, ids.shape[1] :].tolist()

        same = np.mean([one == other for one, other in zip(ours(), others(), strict=True)])
        seconds = medians({"ours": whole(ours), "transformers": whole(others)}, rounds)
        work = f"writing, {rows} {name}"
        checks += [
            Check(f"{work}: ours", rows * new / seconds["ours"], "tokens/s"),
            Check(f"{work}: transformers, over ours", seconds["transformers"] / seconds["ours"], "x", FLOOR[name], GOAL),
            Check(f"  texts that are the same, {name}", float(same), ""),
        ]
    return checks
