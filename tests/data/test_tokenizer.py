"""The byte-level BPE: as GPT-2's, without loss, and open to transformers."""

import json

import pytest

from carryover.data import tokenizer
from carryover.runtime.errors import BadInput

ODD = [
    "Hello world",
    " two  leading, and   many   spaces ",
    "it's they'll I'VE we'd",
    "tabs\tand\nline\r\nbreaks\n\n",
    "12345 1,000.50 ½ x²",
    "naïve café — “quotes” …",
    "สวัสดีครับ ไปไหนมา",
    "你好，世界。",
    "नमस्ते दुनिया",
    "مرحبا بالعالم ۔",
    "Ελληνικά и кириллица İstanbul'da",
    "👩🏽‍💻 🏳️‍🌈 \u200d\ufeff",
    "nul \x00 and \u2028 separators",
    "<|endoftext|>",
    "",
]
TEXT = "\n".join(
    f"The {a} {b} is near the {b} of the {a}." for a in ("river", "old house", "market") for b in ("bridge", "garden", "gate")
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text(TEXT + "\n", encoding="utf-8")
    return tokenizer.train_bpe(text, 290)


@pytest.fixture(scope="module")
def directory(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "made"
    tokenizer.save(trained, path)
    return path


def test_the_trained_vocabulary_has_the_size_asked_and_every_byte(trained):
    assert trained.get_vocab_size() == 290
    assert tokenizer.end_of_text(trained) == 0
    alone = {tuple(trained.encode(chr(code)).ids) for code in range(128)}
    assert len(alone) == 128
    assert all(len(ids) == 1 for ids in alone)


@pytest.mark.parametrize("text", [text for text in ODD if text != "<|endoftext|>"])
def test_nothing_is_lost(trained, text):
    ids = trained.encode(text).ids
    assert trained.decode(ids, skip_special_tokens=False) == text
    assert all(0 < token < 290 for token in ids)


def test_training_merges_what_is_frequent(trained):
    assert len(trained.encode(" the").ids) == 1
    assert len(trained.encode(" zyxwvu").ids) == 7


def test_training_is_a_function_of_the_text(trained, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert tokenizer.train_bpe(tmp_path / "text.txt", 290).to_str() == trained.to_str()


def test_transformers_opens_the_directory_and_agrees(trained, directory):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(directory)
    for text in ODD:
        assert theirs(text)["input_ids"] == trained.encode(text).ids, text
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_of_text(trained)
    assert theirs.decode(trained.encode(ODD[1]).ids) == ODD[1]  # no spaces are cleaned up


def test_a_saved_tokeniser_is_read_back(trained, directory):
    assert sorted(path.name for path in directory.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    back = tokenizer.load(directory / "tokenizer.json")
    assert [back.encode(text).ids for text in ODD] == [trained.encode(text).ids for text in ODD]


@pytest.fixture
def published(trained, tmp_path):
    """The trained vocabulary as GPT-2's is published: `vocab.json`, `merges.txt`."""
    model = json.loads(trained.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    return tmp_path / "vocab.json", tmp_path / "merges.txt"


def test_published_files_make_the_same_tokeniser(trained, published):
    back = tokenizer.from_files(*published)
    assert [back.encode(text).ids for text in ODD] == [trained.encode(text).ids for text in ODD]
    assert back.get_vocab_size() == 290


@pytest.mark.parametrize("what", ["no vocabulary", "no JSON", "a list", "a merge of what is no entry", "no merges"])
def test_published_files_that_do_not_fit_are_refused(published, what):
    vocab, merges = published
    if what == "no vocabulary":
        vocab.unlink()
    elif what == "no merges":
        merges.unlink()
    elif what == "no JSON":
        vocab.write_text('{"a": 0, ')
    elif what == "a list":
        vocab.write_text("[1, 2]")
    else:
        merges.write_text("#version: 0.2\nxyzzy plugh\n")
    with pytest.raises(BadInput, match=r"vocab\.json and .*merges\.txt: not a BPE"):
        tokenizer.from_files(vocab, merges)


@pytest.mark.parametrize("content", [None, "not JSON", '{"version": "1.0"}'])
def test_what_is_no_tokeniser_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(BadInput, match=r"tokenizer\.json: not a tokeniser"):
        tokenizer.load(tmp_path / "tokenizer.json")


def test_a_tokeniser_without_an_end_of_text_is_refused():
    from tokenizers import Tokenizer, models

    with pytest.raises(BadInput, match="endoftext"):
        tokenizer.end_of_text(Tokenizer(models.BPE()))


def test_text_that_is_not_utf8_names_its_line(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"good\n\xe0\xb8\x81 fine\nbad \xff here\n")
    with pytest.raises(BadInput, match=r"text\.txt, line 3: not UTF-8"):
        tokenizer.train_bpe(tmp_path / "text.txt", 300)


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n"])
def test_text_without_text_is_refused(tmp_path, content):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(BadInput, match=r"text\.txt: no text"):
        tokenizer.read_lines(tmp_path / "text.txt")


def test_lines_end_at_line_feeds_alone(tmp_path):
    (tmp_path / "text.txt").write_bytes("one\u2028still one\r\n\n  two\x0bstill two \nthree".encode())
    assert tokenizer.read_lines(tmp_path / "text.txt") == ["one\u2028still one", "two\x0bstill two", "three"]


@pytest.mark.real_data
def test_gpt2_s_own_files_give_gpt2_s_own_ids(mirror):
    from transformers import GPT2Tokenizer

    vocab, merges = mirror / "gpt2-tokenizer" / "vocab.json", mirror / "gpt2-tokenizer" / "merges.txt"
    ours = tokenizer.from_files(vocab, merges)
    theirs = GPT2Tokenizer(vocab=str(vocab), merges=str(merges))
    assert ours.encode("Hello world").ids == [15496, 995]
    assert ours.get_vocab_size() == 50257
    assert tokenizer.end_of_text(ours) == 50256
    for text in ODD:
        assert ours.encode(text).ids == theirs(text)["input_ids"], text
        assert ours.decode(ours.encode(text).ids, skip_special_tokens=False) == text
