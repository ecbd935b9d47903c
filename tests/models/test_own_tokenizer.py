"""The tokeniser that a model brings: tokenizer.json makes the ids that transformers makes, its beginning of texts included."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from carryover.data import prompts, tagged
from carryover.data.tokenizer import beginning
from carryover.models.own_tokenizer import PROBES, settle
from carryover.runtime.errors import BadInput

TEMPLATE = "Premise: {premise}\nHypothesis: {hypothesis}\nLabel:"
LABELS = ["0", "1", "2"]
TABLE = pd.DataFrame(
    {"id": [0, 1], "cluster": [0, 0], "target": [0, 2], "premise": ["It is late.", "Es ist spät."], "hypothesis": ["Yes", "No"]}
)


def byte_level() -> Tokenizer:
    """As Qwen's, GPT-2's and SmolLM2's: bytes, and nothing before a text."""
    vocabulary = {token: place for place, token in enumerate(["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>"])
    return made


def metaspace() -> Tokenizer:
    """As Llama 2's and Gemma's: pieces with a sign for blanks, other characters by their bytes, and `<s>` before a text."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127)), "\n"]
    made = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return made


def write(directory: Path, made: Tokenizer, **config: object) -> Path:
    directory.mkdir(exist_ok=True)
    made.save(str(directory / "tokenizer.json"))
    stated = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", **config}
    (directory / "tokenizer_config.json").write_text(json.dumps(stated))
    (directory / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return directory / "tokenizer.json"


@pytest.mark.parametrize(("make", "begins"), [(byte_level, []), (metaspace, [1])])
def test_a_prompt_begins_as_the_tokenisers_own_use_has_it(tmp_path, make, begins):
    path = write(tmp_path, make())
    before = path.read_bytes()
    settle(tmp_path)
    assert path.read_bytes() == before  # nothing to settle
    made, theirs = Tokenizer.from_file(str(path)), AutoTokenizer.from_pretrained(tmp_path)
    assert beginning(made) == begins
    data, _ = prompts.tokenize(TABLE, made, TEMPLATE, ("premise", "hypothesis"), LABELS, 200)
    for row, (premise, hypothesis) in enumerate(zip(TABLE["premise"], TABLE["hypothesis"], strict=True)):
        prompt = TEMPLATE.format(premise=premise, hypothesis=hypothesis)
        assert data.sequence(row).tolist() == theirs(prompt).input_ids
        assert [*data.sequence(row), data.candidates[2]] == theirs(prompt + "2").input_ids


def test_where_the_class_of_a_tokeniser_makes_other_ids_its_file_is_written_anew(tmp_path):
    path = write(tmp_path, metaspace(), tokenizer_class="GPTNeoXTokenizer")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs("a").input_ids != Tokenizer.from_file(str(path)).encode("a").ids, "nothing to settle: find another case"
    settle(tmp_path)
    made = Tokenizer.from_file(str(path))
    assert [made.encode(text).ids for text in PROBES] == [theirs(text).input_ids for text in PROBES]
    assert beginning(made) == []


def test_a_prompt_that_is_too_long_keeps_its_beginning_and_its_words():
    made = metaspace()
    long = TABLE.assign(premise="x" * 300)
    data, counts = prompts.tokenize(long, made, TEMPLATE, ("premise", "hypothesis"), LABELS, 100)
    assert data.lengths.tolist() == [99, 99] and counts["premise_cut"] == 2
    assert data.sequence(0)[0] == 1 and made.decode(data.sequence(0).tolist()).endswith("Label:")


def test_words_are_answered_at_their_own_last_tokens_after_a_beginning():
    made = byte_level()
    table = pd.DataFrame({"id": [0], "cluster": [0], "words": [["ab", "c"]], "target": [["O", "B-PER"]]})
    plain, _ = tagged.encode_sentences(table, made, 50)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    begun, _ = tagged.encode_sentences(table, made, 50)
    assert begun.sequence(0).tolist() == [0, *plain.sequence(0)]
    np.testing.assert_array_equal(begun.word_ends, plain.word_ends + 1)
    cut, counts = tagged.encode_sentences(table, made, 3)
    assert len(cut.sequence(0)) == 3 and counts["words_cut"] == 1


def test_a_label_of_several_tokens_is_refused():
    with pytest.raises(BadInput, match="label 'no' is not exactly one token"):
        prompts.tokenize(TABLE, metaspace(), TEMPLATE, ("premise", "hypothesis"), ["0", "1", "no"], 200)


def test_a_tokeniser_that_transformers_cannot_open_is_named(tmp_path):
    write(tmp_path, byte_level(), tokenizer_class="NoSuchTokenizer", auto_map={"AutoTokenizer": ["theirs.Tokenizer", None]})
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match=r"tokenizer\.json: not a tokeniser"):
        settle(tmp_path)
