"""The shape of a GPT-2 and its names in a Hugging Face directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carryover.planning.facts import stored_config
from carryover.runtime.errors import BadInput


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a model; the defaults are GPT-2 124M."""

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int = 3072
    dropout: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    eos_token_id: int | None = 50256  # None: generation ends at its length alone


_NAMES = {  # ours -> (Hugging Face's, stored transposed: its Conv1D keeps [in, out])
    "token_embedding.weight": ("wte.weight", False),
    "position_embedding.weight": ("wpe.weight", False),
    "final_layer_norm": ("ln_f", False),
    "attention_norm": ("ln_1", False),
    "attention.qkv": ("attn.c_attn", True),
    "attention_dense": ("attn.c_proj", True),
    "feed_forward_norm": ("ln_2", False),
    "feed_forward_in": ("mlp.c_fc", True),
    "feed_forward_out": ("mlp.c_proj", True),
}


def stored_name(name: str) -> tuple[str, bool]:
    """The name of a parameter in a Hugging Face file, without its prefix, and whether it lies there transposed."""
    if name in _NAMES:
        return _NAMES[name]
    *head, kind = name.split(".")
    prefix = f"h.{head[1]}." if head[0] == "layers" else ""
    theirs, transposed = _NAMES[".".join(head[2:] if prefix else head)]
    return f"{prefix}{theirs}.{kind}", transposed and kind == "weight"


def read_config(directory: Path, dropout: float | None = None) -> GPT2Config:
    """The shape in `config.json`. Raises BadInput for another architecture or a variant of GPT-2 not built here."""
    path = directory / "config.json"
    stored = stored_config(directory)
    required = {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    }
    if "model_type" not in stored:
        raise BadInput(f"{path}: no model_type; a model is a Hugging Face directory of a GPT-2")
    for name, value in required.items():
        if stored.get(name, value) != value:
            raise BadInput(f"{path}: {name} is {stored[name]!r}; only {value!r} is supported")
    rates = {stored.get(name, 0.1) for name in ("embd_pdrop", "attn_pdrop", "resid_pdrop")}
    if dropout is None and len(rates) > 1:
        raise BadInput(f"{path}: three different dropout rates {sorted(rates)}; set the recipe's dropout")
    width, heads = stored.get("n_embd", 768), stored.get("n_head", 12)
    if width % heads:
        raise BadInput(f"{path}: n_embd {width} is not divisible by n_head {heads}")
    return GPT2Config(
        vocab_size=stored.get("vocab_size", 50257),
        n_positions=stored.get("n_positions", 1024),
        n_embd=width,
        n_layer=stored.get("n_layer", 12),
        n_head=stored.get("n_head", 12),
        n_inner=stored.get("n_inner") or 4 * width,
        dropout=rates.pop() if dropout is None else dropout,
        layer_norm_epsilon=stored.get("layer_norm_epsilon", 1e-5),
        initializer_range=stored.get("initializer_range", 0.02),
        eos_token_id=stored.get("eos_token_id", 50256),
    )


def config_to_json(config: GPT2Config) -> dict[str, Any]:
    """The `config.json` that transformers reads."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_ctx": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.n_inner,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "initializer_range": config.initializer_range,
        "bos_token_id": config.eos_token_id,
        "eos_token_id": config.eos_token_id,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
