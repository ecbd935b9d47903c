"""What a config says of a model: counts against models that transformers builds from it."""

import ast
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from carryover.planning import facts
from carryover.planning.facts import facts_of
from carryover.runtime.errors import BadInput
from tiny_models import CONFIGS, build

GPT2 = facts_of({"model_type": "gpt2"})


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_that_transformers_counts(name):
    model = build(name)
    for config in (model.config.to_dict(), CONFIGS[name]):  # whole, and as sparse as one that is published can be
        assert facts_of(config).parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_are_those_of_the_model(name):
    model, found = build(name), facts_of(CONFIGS[name])
    assert model.get_input_embeddings().weight.shape == (found.vocabulary, found.width)
    assert found.tied == (model.get_output_embeddings().weight is model.get_input_embeddings().weight)
    blocks = [parameter for label, parameter in model.base_model.named_parameters() if parameter.dim() == 2]
    products = sum(parameter.numel() for parameter in blocks) - found.vocabulary * found.width
    products -= found.context * found.width if found.architecture == "gpt2" else 0
    assert found.layers * found.block_weights == products
    assert found.context == (None if found.architecture == "bloom" else 64)
    assert found.end_tokens == ((95, 96) if name == "gpt2, untied" else (96,))


PUBLISHED = {
    "gpt2": ({"model_type": "gpt2"}, 124_439_808),
    "SmolLM2-135M": (
        {
            "model_type": "llama",
            **{"vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30},
            **{"num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192, "tie_word_embeddings": True},
        },
        134_515_008,
    ),
    "bloom-560m": ({"model_type": "bloom", "vocab_size": 250_880, "n_embed": 1024, "n_layer": 24, "n_head": 16}, 559_214_592),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_as_many_parameters_as_published(name):
    config, count = PUBLISHED[name]
    assert facts_of(config).parameters == count


def test_operations_are_those_counted_by_hand():
    """About 25 GFLOP to train one example of 53 tokens with GPT-2, about 9 to score one of 57."""
    assert 3 * GPT2.forward_flops(53, 53, 1) / 1e9 == pytest.approx(25, abs=1)
    assert GPT2.forward_flops(57, 57, 1) / 1e9 == pytest.approx(9, abs=0.3)
    products = 12 * (4 * 768**2 + 2 * 768 * 3072)  # every weight of the blocks once
    whole = GPT2.forward_flops(1, 1, 0, every_token=True)
    assert whole == 2 * products + 12 * 4 * 768 + 2 * 768 * 50_257


@pytest.mark.parametrize("name", ["llama", "gemma", "gpt_neox", "bloom"])
def test_operations_of_a_block_follow_its_matrices(name):
    found = facts_of(CONFIGS[name])
    weights = found.layers * found.block_weights
    attention = 4 * found.heads * found.head_width * (10 + 1) / 2
    project = 2 * found.width * found.vocabulary
    assert found.forward_flops(10, 10, 1) == 10 * (2 * weights + found.layers * attention) + project
    assert found.forward_flops(10, 10, 0, every_token=True) == found.forward_flops(10, 10, 10)


@pytest.mark.parametrize("config", [{"model_type": "t5"}, {}])
def test_another_architecture_is_refused_with_those_that_are_known(config):
    with pytest.raises(BadInput, match=r"model_type is .*known are bloom, gemma, gpt2, gpt_neox, llama, qwen2"):
        facts_of(config)


def test_a_config_without_its_width_is_refused():
    with pytest.raises(BadInput, match="model_type llama without hidden_size"):
        facts_of({"model_type": "llama"})


def test_the_defaults_are_transformers():
    """What a config leaves out is what transformers puts there."""
    for architecture in facts.ARCHITECTURES:
        config = {**AutoConfig.for_model(architecture).to_dict(), "vocab_size": 50}
        sparse = {name: value for name, value in CONFIGS[architecture].items() if name != "eos_token_id"}
        assert facts_of(sparse).end_tokens == facts_of(config).end_tokens
        assert facts_of(sparse).tied == AutoModelForCausalLM.from_config(build(architecture).config).config.tie_word_embeddings


def test_facts_need_no_torch():
    tree = ast.parse(Path(facts.__file__).read_text(encoding="utf-8"))
    imported = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert imported <= {"__future__", "collections", "dataclasses", "pathlib", "typing", "carryover"}
