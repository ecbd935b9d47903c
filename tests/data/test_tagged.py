"""Tagged sentences: what is read and refused, where each word ends in tokens, and what happens to words that are cut off."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from carryover.data import tagged, tokenizer
from carryover.data.tagged import CUT, TaggedDataset, encode_sentences, read_sentences, stray_inside
from carryover.runtime.errors import BadInput

SENTENCES = Path(__file__).parents[1] / "tagging"


@pytest.fixture(scope="module")
def bpe(tmp_path_factory) -> Tokenizer:
    """A small BPE, trained on the English sentences alone: other scripts fall into bytes."""
    text = tmp_path_factory.mktemp("text") / "text.txt"
    rows, _ = read_sentences(SENTENCES / "train-en.tsv", None, "iob2", None)
    text.write_text("\n".join(" ".join(words) for words in rows["words"]), encoding="utf-8")
    return tokenizer.train_bpe(text, 300)


def sentences(language: str = "en", split: str = "train"):
    return read_sentences(SENTENCES / f"{split}-{language}.tsv", None, "iob2", None)[0]


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# ------------------------------------------------------------------------------------------ reading


def test_sentences_are_words_and_tags(tmp_path):
    text = "# source = a book\nAnna\tB-PER\nruns\tO\n\n\n#\tO\nU\u2028S\tB-LOC\r\n\r\n\nEnd\tO"
    table, unusable = read_sentences(written(tmp_path / "a.tsv", text), None, "iob2", None)
    assert unusable == []
    assert table["words"].tolist() == [["Anna", "runs"], ["#", "U\u2028S"], ["End"]]
    assert table["target"].tolist() == [["B-PER", "O"], ["O", "B-LOC"], ["O"]]
    assert table["id"].tolist() == table["cluster"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("line", ["alone", "\tO", "word\t", "a\tb\tO", "word O"])
def test_a_sentence_with_a_line_that_is_no_pair_cannot_be_used(tmp_path, line):
    text = f"Anna\tB-PER\n\nbefore\tO\n{line}\nafter\tO\n\nEnd\tO\n"
    table, unusable = read_sentences(written(tmp_path / "a.tsv", text), None, "iob2", None)
    assert table["words"].tolist() == [["Anna"], ["End"]]
    assert table["id"].tolist() == [0, 2]  # the number of a sentence does not hang on others
    assert [number for number, _ in unusable] == [4]


@pytest.mark.parametrize(
    ("scheme", "tags", "tag", "said"),
    [
        ("iob2", None, "PER", r"line 2: 'PER' is no IOB2 tag"),
        ("iob2", None, "B-", r"line 2: 'B-' is no IOB2 tag"),
        ("iob2", None, "E-PER", r"line 2: 'E-PER' is no IOB2 tag"),
        ("plain", ["NOUN", "VERB"], "NUON", r"line 2: unknown tag 'NUON'; known: NOUN, VERB"),
    ],
)
def test_a_tag_that_there_may_not_be_names_its_line(tmp_path, scheme, tags, tag, said):
    first = tags[0] if tags else "O"
    with pytest.raises(BadInput, match=rf"a\.tsv, {said}"):
        read_sentences(written(tmp_path / "a.tsv", f"one\t{first}\ntwo\t{tag}\n"), None, scheme, tags)


@pytest.mark.parametrize(
    ("tags", "stray"),
    [
        ("O B-PER I-PER I-PER O", 0),
        ("I-PER", 1),
        ("O I-PER I-PER", 1),  # the second continues the first, which is no span of its own
        ("B-PER I-LOC", 1),
        ("B-PER B-PER I-PER", 0),
    ],
)
def test_tags_that_continue_nothing_are_counted(tags, stray):
    assert stray_inside(tags.split()) == stray


# ------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_word_ends_where_its_beginning_is_read_in_full(bpe, language):
    """The tokens up to a word's end are the text up to it, and one token fewer is not."""
    table = sentences(language)
    data, counts = encode_sentences(table, bpe, 1024)
    assert counts == {"rows": len(table), "words": sum(map(len, table["words"])), "words_cut": 0}
    for row, words in enumerate(table["words"]):
        ends = data.word_ends[data.word_offsets[row] : data.word_offsets[row + 1]]
        for number, end in enumerate(ends, start=1):
            ids = list(data.sequence(row))
            assert bpe.decode(ids[: end + 1]) == " ".join(words[:number])
            assert bpe.decode(ids[:end]) != " ".join(words[:number])
        assert ends[-1] == data.lengths[row] - 1
    assert [data.tags[target] for target in data.targets] == [tag for row in table["target"] for tag in row]


@pytest.mark.parametrize("longest", [1, 3, 7, 12])
def test_words_beyond_the_limit_are_counted_and_keep_their_place(bpe, longest):
    table = sentences()
    whole, _ = encode_sentences(table, bpe, 1024)
    data, counts = encode_sentences(table, bpe, longest)
    lost = whole.word_ends >= longest
    assert 0 < counts["words_cut"] == lost.sum() < len(lost) or longest == 1
    assert np.array_equal(data.word_ends, np.where(lost, CUT, whole.word_ends))
    assert np.array_equal(data.targets, whole.targets) and data.lengths.max() <= longest
    _, words = data.answered(np.arange(len(data)))
    assert np.array_equal(words, np.flatnonzero(~lost))


def test_words_that_no_token_stands_for_are_counted_as_cut():
    """A tokeniser can drop letters: a word of them at the beginning has no state that has read it."""
    made = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Replace("\u200b", ""), pre_tokenizers.Whitespace()
    table = sentences().head(1).assign(words=[["\u200b", "a", "b"]], target=[["O", "O", "O"]])
    data, counts = encode_sentences(table, made, 9)
    assert (data.word_ends.tolist(), counts["words_cut"]) == ([CUT, 0, 1], 1)


def test_answered_words_of_some_rows_stand_where_the_rows_follow_each_other(bpe):
    data, _ = encode_sentences(sentences(), bpe, 1024)
    rows = np.array([5, 0, 5])
    places, words = data.answered(rows)
    ids = np.concatenate([data.sequence(row) for row in rows])
    starts = np.cumsum([0, *data.lengths[rows]])
    expected = [
        (start + data.word_ends[word], word)
        for start, row in zip(starts, rows, strict=False)
        for word in range(data.word_offsets[row], data.word_offsets[row + 1])
    ]
    assert list(zip(places, words, strict=True)) == expected
    assert ids[places[0]] == data.sequence(5)[data.word_ends[data.word_offsets[5]]]


def test_files_are_read_back_and_join_their_tags(bpe, tmp_path):
    english, _ = encode_sentences(sentences(), bpe, 1024)
    german, _ = encode_sentences(sentences("de").tail(1), bpe, 8)  # nobody came: one tag
    assert german.tags == ("O",) and len(english.tags) == 7
    for name, data in (("en", english), ("de", german)):
        data.save(tmp_path / name)
    back = TaggedDataset.load([tmp_path / "en"])
    for name in ("ids", "offsets", "row_ids", "clusters", "word_offsets", "word_ends", "targets"):
        assert np.array_equal(getattr(back, name), getattr(english, name))
    assert back.tags == english.tags
    both = TaggedDataset.load([tmp_path / "de", tmp_path / "en"])
    assert both.tags == english.tags and len(both) == len(english) + 1
    assert [both.tags[target] for target in both.targets] == [
        *("O" for _ in german.targets),
        *(english.tags[target] for target in english.targets),
    ]
    rows = np.array([0, 3])
    places, words = both.answered(rows)
    assert np.array_equal(both.sequence(3), english.sequence(2))
    assert both.words_a_row == pytest.approx((both.word_ends != CUT).sum() / len(both))
    assert tagged.IOB2.fullmatch(both.tags[0])
    assert len(places) == len(words) > 0
