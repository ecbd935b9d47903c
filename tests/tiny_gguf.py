"""A small Llama in a GGUF file, most of its matrices rounded to 4 bits."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from tokenizers import pre_tokenizers

WIDTH, INNER, HEADS, KV_HEADS, LAYERS, CONTEXT = 64, 96, 4, 2, 2, 128
Q4_1, Q8_0 = gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENS = [*SPECIAL, *BYTES, "ĠĠ"]
NAMES = {  # in the file, and in transformers
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """The rows of queries or keys in the order of the format: the two halves of each head's rotation interleaved."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(path: Path, pre: str = "smollm", architecture: str = "llama") -> dict[str, np.ndarray]:
    """A small Llama, most of its matrices rounded to 4 bits, and the tensors that transformers should find, by its names."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    expected = {}

    def add(name: str, theirs: str, weight: np.ndarray, kind=None, heads: int | None = None) -> None:
        """Rows are rounded one by one, so their order does not change what becomes of each."""
        stored = permuted(weight, heads) if heads else weight
        if kind is None:
            writer.add_tensor(name, weight)
            expected[theirs] = weight
        else:
            writer.add_tensor(name, quantize(stored, kind), raw_dtype=kind)
            expected[theirs] = dequantize(quantize(weight, kind), kind)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(scale=0.2, size=shape).astype(np.float32)

    add("token_embd.weight", "model.embed_tokens.weight", random(len(TOKENS), WIDTH), Q8_0)
    add("output_norm.weight", "model.norm.weight", 1 + random(WIDTH))
    narrow = WIDTH * KV_HEADS // HEADS
    shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (narrow, WIDTH), "attn_v": (narrow, WIDTH), "attn_output": (WIDTH, WIDTH)}
    shapes |= {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
    for layer in range(LAYERS):
        for name, theirs in NAMES.items():
            label = f"blk.{layer}.{name}.weight", f"model.layers.{layer}.{theirs}.weight"
            if name in shapes:
                add(*label, random(*shapes[name]), Q4_1, {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name))
            else:
                add(*label, 1 + random(WIDTH))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected
