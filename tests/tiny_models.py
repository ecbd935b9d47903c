"""Small models of transformers at random weights, one an architecture, and their configs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 97
LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "eos_token_id": 96,
    "bos_token_id": 95,
}
NEOX = {**{name: value for name, value in LLAMA.items() if name != "num_key_value_heads"}, "rotary_pct": 0.5}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", **LLAMA},
    "llama with biases, tied": {
        "model_type": "llama",
        **LLAMA,
        "attention_bias": True,
        "mlp_bias": True,
        "tie_word_embeddings": True,
        "head_dim": 12,
    },
    "qwen2": {"model_type": "qwen2", **LLAMA},
    "qwen2, tied": {"model_type": "qwen2", **LLAMA, "tie_word_embeddings": True},
    "gemma": {"model_type": "gemma", **LLAMA, "head_dim": 16, "pad_token_id": 94},
    "gpt2": {
        "model_type": "gpt2",
        **{"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 56},
        "eos_token_id": 96,
        "bos_token_id": 96,
    },
    "gpt2, untied": {
        "model_type": "gpt2",
        **{"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2, "eos_token_id": [95, 96]},
        "tie_word_embeddings": False,
    },
    "gpt_neox": {"model_type": "gpt_neox", **NEOX},
    "gpt_neox, one after the other, no biases": {
        "model_type": "gpt_neox",
        **NEOX,
        "use_parallel_residual": False,
        "attention_bias": False,
    },
    "bloom": {"model_type": "bloom", "vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 3, "n_head": 4, "eos_token_id": 96},
}


def build(name: str, seed: int = 0, std: float = 0.3) -> PreTrainedModel:
    """A model in eval mode, without dropout, whose weights, biases and norms are far from their initialisation."""
    config = dict(CONFIGS[name])
    rates = ("attention_dropout", "hidden_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop")
    made = AutoConfig.for_model(config.pop("model_type"), **config, **dict.fromkeys(rates, 0.0))
    model = AutoModelForCausalLM.from_config(made, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    random = partial(torch.randn, generator=generator)
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            norm = "norm" in label or ".ln_" in label
            centre = 1.0 if norm and "weight" in label and made.model_type != "gemma" else 0.0  # Gemma adds the 1 itself
            parameter.copy_(centre + std * random(parameter.shape))
    return model
