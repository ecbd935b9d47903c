"""Texts: every type of model in batches against transformers, stop strings however tokens cut them, and chat templates."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

from carryover.data import tokenizer
from carryover.evaluation import generation
from carryover.evaluation.generation import Sampling, generate
from carryover.evaluation.texts import as_chat, continue_texts
from carryover.models import hugging_face
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack_trees
from carryover.runtime.errors import BadInput
from tiny_models import CONFIGS, build

PROMPTS = [[3, 4, 5, 6], [7], [3, 4, 60], [9, 9, 9, 9, 9, 9, 1], [3, 4, 5, 6, 2], [80, 2, 33]]
TURNS = "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}"
TEMPLATE = TURNS + "{% if add_generation_prompt %}<model>{% endif %}"


def left_padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, prompts))
    padding = [width - len(prompt) for prompt in prompts]
    ids = torch.tensor([[0] * left + prompt for left, prompt in zip(padding, prompts, strict=True)])
    return ids, torch.tensor([[0] * left + [1] * (width - left) for left in padding])


@pytest.fixture(params=CONFIGS)
def pair(request) -> tuple[HuggingFaceModel, torch.nn.Module]:
    """A model behind the seam, and one of the same weights that nobody touched."""
    return HuggingFaceModel(build(request.param)), build(request.param)


def test_a_batch_is_transformers_batch_under_left_padding(pair):
    """Token by token, of all types: positions, padding, shared beginnings, rows that end before others."""
    model, theirs = pair
    ids, real = left_padded(PROMPTS)
    ends = list(model.facts.end_tokens)
    options = {"do_sample": False, "max_new_tokens": 16, "eos_token_id": ends, "pad_token_id": 0}
    expected = theirs.generate(ids, attention_mask=real, **options)[:, ids.shape[1] :].tolist()
    assert len({tuple(row) for row in expected}) == len(PROMPTS)
    for (tokens, stopped), row in zip(generate(model, PROMPTS, 16), expected, strict=True):
        end = next((place for place, token in enumerate(row) if token in ends), None)
        assert tokens == row[:end] and stopped == ("length" if end is None else "end of text")


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.5, 20, 0.9)], ids=str)
def test_rows_that_leave_change_nothing_for_the_others(pair, sampling):
    model, _ = pair

    def finished(tokens: list[int]) -> str | None:
        return "odd" if sum(tokens) % 7 == 0 else None

    together = generate(model, PROMPTS, 12, sampling, 3, finished)
    assert together == [generate(model, [prompt], 12, sampling, 3, finished)[0] for prompt in PROMPTS]
    assert len({len(tokens) for tokens, _ in together}) > 1


def test_more_prompts_than_a_cache_holds_go_batch_after_batch(monkeypatch):
    model = HuggingFaceModel(build("llama"))
    whole, sizes, start = generate(model, PROMPTS, 10), [], HuggingFaceModel.start

    def counted(self, batch, room):
        sizes.append(len(batch.ends))
        return start(self, batch, room)

    monkeypatch.setattr(HuggingFaceModel, "start", counted)
    monkeypatch.setattr(generation, "CACHE", 2 * 3 * 2 * 8 * 32)  # of 3 layers, 2 heads of 8: 32 columns
    assert generate(model, PROMPTS, 10) == whole
    assert sum(sizes) == len(PROMPTS) and max(sizes) == 2


@pytest.mark.parametrize("name", CONFIGS)
def test_prompts_that_are_read_at_once_leave_the_cache_that_reading_leaves(name):
    """What packed reading, where shared beginnings are computed once, and padded reading go on with is the same."""
    model = HuggingFaceModel(build(name))
    ids, real = left_padded(PROMPTS)
    batch = pack_trees([[np.array(prompt, np.int32)] for prompt in PROMPTS])
    with torch.inference_mode():
        cache, hidden = model.start(batch, 2)
        padded = model.empty_cache(len(PROMPTS), ids.shape[1] + 2)
        torch.testing.assert_close(hidden, model.read(padded, ids, real.bool()), atol=1e-5, rtol=1e-5)
        for token in (5, 90):
            column = torch.full((len(PROMPTS), 1), token), torch.ones(len(PROMPTS), 1, dtype=torch.bool)
            torch.testing.assert_close(model.read(cache, *column), model.read(padded, *column), atol=1e-5, rtol=1e-5)


def test_generation_settings_say_where_text_ends(tmp_path):
    """Where a directory has such settings, transformers takes their end tokens and not the config's; so do we, saved or not."""
    theirs = build("llama")
    theirs.generation_config.eos_token_id = [11, 12]
    theirs.save_pretrained(tmp_path / "model")
    assert json.loads((tmp_path / "model/generation_config.json").read_text())["eos_token_id"] == [11, 12]
    model = hugging_face.load(tmp_path / "model")
    assert model.facts.end_tokens == (11, 12)
    model.save_pretrained(tmp_path / "saved")
    assert hugging_face.load(tmp_path / "saved").facts.end_tokens == (11, 12)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Tokenizer:
    """A byte-level tokeniser of which a few tokens are several letters."""
    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text("the river and the children waited\n" * 40)
    return tokenizer.train_bpe(text, 300)


@pytest.fixture(scope="module")
def writer(made) -> HuggingFaceModel:
    """A model whose greedy text goes from token to token."""
    config = transformers.LlamaConfig(
        **{"vocab_size": made.get_vocab_size(), "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "eos_token_id": None},
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(("norm" in name) + 0.4 * torch.randn(parameter.shape, generator=generator))
    return HuggingFaceModel(theirs)


def ids_of(made: Tokenizer) -> list[list[int]]:
    return [made.encode(text).ids for text in ("the river", "children waited and", "a")]


@pytest.mark.parametrize("span", [(0, 1), (3, 5), (4, 9), (10, 11)])
def test_a_stop_string_ends_a_text_as_in_transformers(writer, made, span):
    """Strings from the middle of tokens on: the tokens are transformers', the text ends before the string."""
    prompts = ids_of(made)
    used = transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token=tokenizer.END_OF_TEXT)
    for prompt, whole in zip(prompts, continue_texts(writer, made, prompts, 24), strict=True):
        assert whole.stopped_by == "length" and whole.text == made.decode(whole.tokens)
        stop = made.decode(whole.tokens[slice(*span)])
        stop = stop[1:] if len(stop) > 1 and span != (0, 1) else stop  # from within a token on
        if not stop.isascii() or not stop:
            continue
        (found,) = continue_texts(writer, made, [prompt], 24, stop=["never there", stop])
        ids = torch.tensor([prompt])
        theirs = writer.model.generate(
            ids,
            **{"attention_mask": torch.ones_like(ids), "do_sample": False, "max_new_tokens": 24, "eos_token_id": None},
            **{"pad_token_id": 0, "stop_strings": [stop], "tokenizer": used},
        )
        assert found.stopped_by == "stop string"
        assert found.tokens == theirs[0, len(prompt) :].tolist()
        assert found.text == whole.text[: whole.text.index(stop)] and stop not in found.text


def test_the_first_stop_string_in_a_text_ends_it(writer, made):
    prompts = ids_of(made)
    whole = continue_texts(writer, made, prompts, 24)
    stops = [whole[0].text[4:7], whole[0].text[2:4]]
    found = continue_texts(writer, made, prompts, 24, stop=stops)
    assert found[0].text == whole[0].text[: min(whole[0].text.index(stop) for stop in stops)]
    assert len(found[0].tokens) < len(whole[0].tokens)
    with pytest.raises(BadInput, match="an empty string stops"):
        continue_texts(writer, made, prompts, 24, stop=[""])


def test_a_chat_is_written_by_the_models_own_template(tmp_path, made):
    tokenizer.save(made, tmp_path)
    path = tmp_path / "tokenizer_config.json"
    plain = json.loads(path.read_text())
    with pytest.raises(BadInput, match="has no chat template"):
        as_chat(tmp_path, ["hello"])
    path.write_text(json.dumps(plain | {"chat_template": TEMPLATE}))
    assert as_chat(tmp_path, ["hello", "a {b}"]) == ["<user>hello<model>", "<user>a {b}<model>"]
    path.write_text(json.dumps(plain | {"chat_template": "{{ raise_exception('system turns only') }}"}))
    with pytest.raises(BadInput, match=r"its chat template fails .*system turns only"):
        as_chat(tmp_path, ["hello"])


def test_a_template_in_a_file_of_its_own_is_read_too(tmp_path, made):
    tokenizer.save(made, tmp_path)
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    assert as_chat(tmp_path, ["hello"]) == ["<user>hello<model>"]
