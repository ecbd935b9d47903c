"""The handout's sanity check: a model as it is run here against transformers, on the weights that are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from carryover.models.interface import LanguageModel
from carryover.models.packing import pack
from carryover.runtime.errors import BadInput

LENGTHS = (1, 7, 64, 128)


@torch.inference_mode()
def compare(model: LanguageModel, directory: Path, tolerance: float, seed: int) -> dict[str, Any]:
    """The largest difference of logits and last hidden states on random tokens of several lengths, in fp32, between a model
    and the directory that it was loaded from.

    Raises BadInput where it is more than `tolerance`, relative to the largest value where that is above 1.
    """
    model.eval()
    options = {"use_safetensors": True, "dtype": torch.float32}
    theirs = transformers.AutoModelForCausalLM.from_pretrained(directory, **options).eval()
    generator = torch.Generator().manual_seed(seed)
    worst = {"hidden": 0.0, "logits": 0.0}
    for length in LENGTHS:
        shape = (2, min(length, model.facts.context or length))
        ids = torch.randint(model.facts.vocabulary, shape, generator=generator)
        hidden = model.forward_packed(pack(list(ids.numpy()))).view(*shape, -1)
        expected = theirs.base_model(ids).last_hidden_state
        pairs = {"hidden": (hidden, expected), "logits": (model.hidden_state_to_token(hidden), theirs(ids).logits)}
        for name, (one, other) in pairs.items():
            scale = max(1.0, float(other.abs().max()))
            worst[name] = float(np.maximum(worst[name], float((one - other).abs().max()) / scale))  # keeps a NaN
    largest = float(np.max(list(worst.values())))
    if not largest <= tolerance:
        raise BadInput(f"{directory}: differs from transformers by {largest:.2g} (tolerance {tolerance:g}): {worst}")
    return {"max_difference": largest, **worst, "tolerance": tolerance, "transformers": transformers.__version__, "passed": True}
