"""The handout's sanity check: this GPT-2 against the one in transformers, on the weights that are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from carryover.models.gpt2 import GPT2Model
from carryover.runtime.errors import BadInput

LENGTHS = (1, 7, 64, 128)


@torch.inference_mode()
def compare(directory: Path, tolerance: float, seed: int) -> dict[str, Any]:
    """The largest difference of logits and last hidden states on random tokens of several lengths, in fp32.

    Raises BadInput where it is more than `tolerance`, relative to the largest value where that is above 1.
    """
    ours = GPT2Model.from_pretrained(directory).eval()
    theirs = transformers.GPT2LMHeadModel.from_pretrained(directory, use_safetensors=True).eval()
    generator = torch.Generator().manual_seed(seed)
    worst = {"hidden": 0.0, "logits": 0.0}
    for length in LENGTHS:
        ids = torch.randint(ours.config.vocab_size, (2, min(length, ours.config.n_positions)), generator=generator)
        hidden = ours(ids)["last_hidden_state"]
        expected = theirs.transformer(ids).last_hidden_state
        pairs = {"hidden": (hidden, expected), "logits": (ours.hidden_state_to_token(hidden), theirs(ids).logits)}
        for name, (one, other) in pairs.items():
            scale = max(1.0, float(other.abs().max()))
            worst[name] = float(np.maximum(worst[name], float((one - other).abs().max()) / scale))  # keeps a NaN
    largest = float(np.max(list(worst.values())))
    if not largest <= tolerance:
        raise BadInput(f"{directory}: differs from transformers by {largest:.2g} (tolerance {tolerance:g}): {worst}")
    return {"max_difference": largest, **worst, "tolerance": tolerance, "transformers": transformers.__version__, "passed": True}
