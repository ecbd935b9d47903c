"""What a model's `config.json` says of it: sizes, weights and floating-point operations, without its weights and without torch.

One function an architecture. One that is not here is refused: nobody has counted its weights or tried it packed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carryover.runtime.errors import BadInput


@dataclass(frozen=True)
class ModelFacts:
    """The shape of a causal language model.

    architecture: `model_type` in transformers; vocabulary: rows of the token embedding, at least the tokeniser's entries;
    context: the longest sequence in tokens, None without such a bound; width: of the hidden states; kv_heads: heads of keys and
    values, fewer than `heads` where queries share them; feed_forward: its inner width; gated: whether a third matrix gates it;
    tied: whether the output projection is the token embedding; end_tokens: after which a text ends; parameters: weights, a tied
    projection once, biases and norms included.
    """

    architecture: str
    vocabulary: int
    context: int | None
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    gated: bool
    tied: bool
    end_tokens: tuple[int, ...]
    parameters: int

    @property
    def block_weights(self) -> int:
        """Weights of the products of one block, without biases and norms."""
        attention = 2 * self.width * (self.heads + self.kv_heads) * self.head_width
        return attention + (3 if self.gated else 2) * self.width * self.feed_forward

    def forward_flops(self, tokens: float, length: float, answers: float, every_token: bool = False) -> float:
        """Operations of a forward pass over `tokens` in sequences of `length`, of which `answers` are asked for the next token.

        Two per weight and token in every product, four per feature of the heads and seen token in attention, of which a token
        sees half its sequence. every_token: the projection for every token too, as in pretraining. The last block runs for the
        answers alone in this project's GPT-2, and for every token in all other models.
        """
        heads = self.heads * self.head_width
        products = 2 * self.block_weights
        block = products + 4 * heads * (length + 1) / 2
        project = 2 * self.width * self.vocabulary
        if every_token:
            return tokens * (self.layers * block + project)
        if self.architecture != "gpt2":
            return tokens * self.layers * block + answers * project
        last = 2 * 2 * self.width * self.kv_heads * self.head_width  # keys and values
        asked = products - last + 4 * heads * length
        return tokens * ((self.layers - 1) * block + last) + answers * (asked + project)


def stored_config(directory: Path) -> dict[str, Any]:
    """The `config.json` of a model's directory. Raises BadInput where there is none, or it is not JSON."""
    path = directory / "config.json"
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{directory}: no config.json; a model is a Hugging Face directory") from None
    except ValueError as error:
        raise BadInput(f"{path}: not JSON ({error})") from error
    return stored


def facts_of(config: Mapping[str, Any]) -> ModelFacts:
    """The facts in a `config.json`. Raises BadInput for an architecture or a shape that is not known here."""
    architecture = str(config.get("model_type"))
    if architecture not in ARCHITECTURES:
        raise BadInput(f"model_type is {config.get('model_type')!r}; known are {', '.join(sorted(ARCHITECTURES))}")
    try:
        return ARCHITECTURES[architecture](config)
    except KeyError as error:
        raise BadInput(f"a config of model_type {architecture} without {error.args[0]}") from None


def _plain(
    architecture: str,
    words: tuple[int, int | None],
    shape: tuple[int, int, int, int],
    tied: bool,
    ends: tuple[int, ...],
    parameters: int,
) -> ModelFacts:
    """Blocks without a gate, of which each head has keys and values of its own. words: the vocabulary and the context; shape:
    width, layers, heads, and the width inside the feed-forward network."""
    width, layers, heads, inner = shape
    return ModelFacts(
        architecture=architecture,
        vocabulary=words[0],
        context=words[1],
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_width=width // heads,
        feed_forward=inner,
        gated=False,
        tied=tied,
        end_tokens=ends,
        parameters=parameters,
    )


def _gpt2(config: Mapping[str, Any]) -> ModelFacts:
    width, heads = config.get("n_embd", 768), config.get("n_head", 12)
    inner, layers = config.get("n_inner") or 4 * width, config.get("n_layer", 12)
    vocabulary, positions = config.get("vocab_size", 50257), config.get("n_positions", 1024)
    tied = config.get("tie_word_embeddings", True)
    block = 4 * width**2 + 2 * width * inner + 9 * width + inner
    parameters = layers * block + ((1 if tied else 2) * vocabulary + positions) * width + 2 * width
    return _plain("gpt2", (vocabulary, positions), (width, layers, heads, inner), tied, _ends(config, 50256), parameters)


def _llama(
    config: Mapping[str, Any], tied: bool = False, attention_biases: tuple[bool, bool] | None = None, end: int | None = 2
) -> ModelFacts:
    """Llama, and what has its blocks. attention_biases: whether queries, keys and values, and whether the output have biases."""
    width, heads, layers = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
    kv_heads, inner = config.get("num_key_value_heads") or heads, config["intermediate_size"]
    head_width = config.get("head_dim") or width // heads
    tied = config.get("tie_word_embeddings", tied)
    biases = attention_biases or (bool(config.get("attention_bias")),) * 2
    attention = 2 * width * (heads + kv_heads) * head_width
    attention += biases[0] * (heads + 2 * kv_heads) * head_width + biases[1] * width
    feed_forward = 3 * width * inner + bool(config.get("mlp_bias")) * (2 * inner + width)
    embeddings = (1 if tied else 2) * config["vocab_size"] * width
    return ModelFacts(
        architecture=config["model_type"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_width=head_width,
        feed_forward=inner,
        gated=True,
        tied=tied,
        end_tokens=_ends(config, end),
        parameters=layers * (attention + feed_forward + 2 * width) + embeddings + width,
    )


def _qwen2(config: Mapping[str, Any]) -> ModelFacts:
    return _llama(config, attention_biases=(True, False), end=None)


def _gemma(config: Mapping[str, Any]) -> ModelFacts:
    return _llama({"head_dim": 256, **config}, tied=True, end=1)


def _gpt_neox(config: Mapping[str, Any]) -> ModelFacts:
    width, heads, layers = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
    inner, tied = config["intermediate_size"], config.get("tie_word_embeddings", False)
    attention = 4 * width**2 + config.get("attention_bias", True) * 4 * width
    block = attention + 2 * width * inner + inner + width + 4 * width
    parameters = layers * block + (1 if tied else 2) * config["vocab_size"] * width + 2 * width
    words = config["vocab_size"], config["max_position_embeddings"]
    return _plain("gpt_neox", words, (width, layers, heads, inner), tied, _ends(config, 2), parameters)


def _bloom(config: Mapping[str, Any]) -> ModelFacts:
    width = config["n_embed"] if config.get("n_embed") else config["hidden_size"]
    heads = config["n_head"] if "n_head" in config else config["num_attention_heads"]
    layers = config["n_layer"] if "n_layer" in config else config["num_hidden_layers"]
    tied = config.get("tie_word_embeddings", True)
    block = 12 * width**2 + 13 * width
    embeddings = (1 if tied else 2) * config["vocab_size"] * width
    parameters = layers * block + embeddings + 4 * width
    words = config["vocab_size"], None  # its biases of distances have no end
    return _plain("bloom", words, (width, layers, heads, 4 * width), tied, _ends(config, 2), parameters)


def _ends(config: Mapping[str, Any], otherwise: int | None) -> tuple[int, ...]:
    stated = config.get("eos_token_id", otherwise)
    return tuple(stated) if isinstance(stated, list | tuple) else () if stated is None else (stated,)


ARCHITECTURES: dict[str, Callable[[Mapping[str, Any]], ModelFacts]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "qwen2": _qwen2,
    "gemma": _gemma,
    "gpt_neox": _gpt_neox,
    "bloom": _bloom,
}
