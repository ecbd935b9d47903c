"""Archives with every oddity of the published ones, and some that nobody should publish."""

import logging
import random
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from carryover.data import xnli
from carryover.runtime.errors import BadInput
from carryover.tasks.nli import LABELS

TRAIN = "XNLI-MT-1.0/multinli/multinli.train.{}.tsv"
DEV = "XNLI-1.0/xnli.dev.tsv"
EVAL_HEADER = "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\tgenre"
PUBLISHED_HEADER = (  # all columns of the published dev and test files
    "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2"
    "\tpromptID\tpairID\tgenre\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tsentence1_tokenized\tsentence2_tokenized\tmatch"
)


def read_split(archive: Path, split: str, language: str, expected_rows: int | None = None) -> tuple[pd.DataFrame, int]:
    return xnli.read_split(archive, split, language, LABELS, expected_rows)


@pytest.fixture
def archive(tmp_path):
    """Writes an archive of members given as lines or bytes, with the extra files of a published one."""

    def make(members: dict[str, list[str] | bytes], ending: str = "\n", method: int = zipfile.ZIP_DEFLATED) -> Path:
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", method) as opened:
            opened.writestr("XNLI-1.0/README.md", "about")
            for name, content in members.items():
                opened.writestr(f"__MACOSX/{name}", b"\x00\xff not this one")
                opened.writestr(name, content if isinstance(content, bytes) else (ending.join(content) + ending).encode())
        return path

    return make


def row(k: int, label: str = "neutral", language: str = "de") -> str:
    return f"{language}\t{label}\tpremise {k // 3}\thypothesis {k}\t{k // 3 + 7}\t{k}\tletters"


def training(count: int, **lines: str) -> list[str]:
    """A header and `count` rows; `line5="..."` replaces the fifth line of the file."""
    labels = ("entailment", "contradictory", "neutral")
    rows = ["premise\thypo\tlabel", *(f"premise {k}\thypothesis {k}\t{labels[k % 3]}" for k in range(count))]
    for place, text in lines.items():
        rows[int(place.removeprefix("line")) - 1] = text
    return rows


def test_training_rows_are_read_as_published(archive):
    path = archive({TRAIN.format("de"): training(5)})
    table, unusable = read_split(path, "train", "de", 5)
    assert unusable == 0
    assert table["premise"].tolist() == [f"premise {k}" for k in range(5)]
    assert table["hypothesis"].tolist() == [f"hypothesis {k}" for k in range(5)]
    assert table["target"].tolist() == [0, 1, 2, 0, 1]
    assert table["id"].is_unique and set(table["genre"]) == {""}


@pytest.mark.parametrize("split", ["dev", "test"])
def test_evaluation_rows_are_those_of_the_language(archive, split):
    lines = [EVAL_HEADER]
    for k, label in enumerate(("entailment", "contradiction", "neutral")):
        lines += [row(k, label, "de"), row(k + 60, "neutral", "en")]
    table, unusable = read_split(archive({f"XNLI-1.0/xnli.{split}.tsv": lines}), split, "de", 3)
    assert unusable == 0
    assert table["target"].tolist() == [0, 1, 2]
    assert table["premise"].tolist() == ["premise 0"] * 3
    assert table["cluster"].tolist() == [7, 7, 7]
    assert table["id"].tolist() == [0, 1, 2]
    assert table["genre"].tolist() == ["letters"] * 3


def test_the_published_columns_are_read_by_name(archive):
    fields = {
        "language": "de",
        "gold_label": "neutral",
        "sentence1": "P",
        "sentence2": "H",
        "promptID": "3",
        "pairID": "9",
        "genre": "g",
    }
    line = "\t".join(fields.get(name, f"(wrong {name})") for name in PUBLISHED_HEADER.split("\t"))
    table, _ = read_split(archive({DEV: [PUBLISHED_HEADER, line]}), "dev", "de")
    expected = {"premise": "P", "hypothesis": "H", "target": 2, "id": 9, "cluster": 3, "genre": "g"}
    assert table.iloc[0].to_dict() == expected


@pytest.mark.parametrize("header", [EVAL_HEADER, EVAL_HEADER.removesuffix("\tgenre")])
def test_rows_without_their_genre_are_read(archive, header):
    table, unusable = read_split(archive({DEV: [header, row(0).rsplit("\t", 1)[0]]}), "dev", "de")
    assert (table["genre"].tolist(), unusable) == ([""], 0)


@pytest.mark.parametrize(
    "text", ['"', 'he said "no', '""twice""', "it's", "a\u2028b", "a\x85b\x0bc\x0cd", "ไทย 中文 ۔", "\\t \\n", "#x"]
)
def test_text_is_kept_as_it_stands(archive, text):
    lines = training(3, line3=f"{text}\t{text} too\tneutral")
    table, unusable = read_split(archive({TRAIN.format("de"): lines}), "train", "de", 3)
    assert unusable == 0
    assert table.loc[1, ["premise", "hypothesis"]].tolist() == [text, f"{text} too"]


def test_windows_line_ends_and_a_missing_last_one(archive):
    crlf, _ = read_split(archive({TRAIN.format("de"): training(4)}, ending="\r\n"), "train", "de", 4)
    assert set(crlf["target"]) == {0, 1, 2}
    path = archive({TRAIN.format("de"): "\n".join(training(4)).encode()})
    pd.testing.assert_frame_equal(read_split(path, "train", "de", 4)[0], crlf)


def test_rows_that_cannot_be_used_are_counted_and_listed_with_their_lines(archive, caplog):
    lines = training(400, line5="too\tshort", line9="\thypothesis\tneutral", line30="premise\t  \tneutral")
    with caplog.at_level(logging.INFO, "carryover"):
        table, unusable = read_split(archive({TRAIN.format("de"): lines}), "train", "de", 400)
    assert (len(table), unusable) == (397, 3)
    told = [message for message in caplog.messages if "not used" in message]
    assert [message.split(", line ")[1].split(":")[0] for message in told] == ["5", "9", "30"]
    assert "2 fields of 3" in told[0] and "no premise" in told[1] and "no hypothesis" in told[2]
    assert "premise 3" not in set(table["premise"]) and "premise 4" in set(table["premise"])


def test_ids_that_are_no_numbers_cannot_be_used(archive):
    lines = [EVAL_HEADER, *(row(k) for k in range(300)), row(300).replace("\t300\t", "\tx300\t")]
    table, unusable = read_split(archive({DEV: lines}), "dev", "de", 301)
    assert (len(table), unusable) == (300, 1)


def test_more_than_one_in_a_hundred_fails_the_job(archive):
    assert read_split(archive({TRAIN.format("de"): training(100, line2="short")}), "train", "de", 100)[1] == 1
    path = archive({TRAIN.format("de"): training(100, line2="short", line3="short")})
    with pytest.raises(BadInput, match=r"multinli\.train\.de\.tsv: 2 of 100 rows cannot be used, first line 2"):
        read_split(path, "train", "de", 100)


def test_a_short_row_is_counted_wherever_the_language_stands(archive):
    header = "pairID\tpromptID\tsentence1\tsentence2\tgold_label\tlanguage"
    lines = [header, *(f"{k}\t{k}\tp\th {k}\tneutral\tde" for k in range(200)), "7\t7"]
    table, unusable = read_split(archive({DEV: lines}), "dev", "de")
    assert len(table) == 200
    assert unusable <= 1  # whose row it was is not known


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("label", ["contradicts", "Neutral", "-", ""])
def test_an_unknown_label_names_file_member_and_line(archive, label):
    path = archive({TRAIN.format("de"): training(20, line8=f"p\th\t{label}")})
    with pytest.raises(BadInput, match=rf"archive\.zip: .*multinli\.train\.de\.tsv, line 8: unknown label '{label}'"):
        read_split(path, "train", "de")


def test_text_that_is_not_utf8_names_its_line(archive):
    content = "\n".join(training(6)).encode().replace(b"premise 3", b"premise \xff")
    with pytest.raises(BadInput, match=r"archive\.zip: .*train\.de\.tsv, line 5: not UTF-8"):
        read_split(archive({TRAIN.format("de"): content}), "train", "de")


def test_a_language_without_training_text_says_what_to_change(archive):
    path = archive({TRAIN.format("de"): training(3)})
    with pytest.raises(BadInput, match=r"no member multinli\.train\.th\.tsv; .*train_languages"):
        read_split(path, "train", "th")


def test_a_missing_dev_file_is_named(archive):
    with pytest.raises(BadInput, match=r"archive\.zip: no member xnli\.dev\.tsv$"):
        read_split(archive({TRAIN.format("de"): training(3)}), "dev", "de")


def test_a_language_that_dev_does_not_have(archive):
    with pytest.raises(BadInput, match=r"xnli\.dev\.tsv has no rows for language 'sw'"):
        read_split(archive({DEV: [EVAL_HEADER, row(0)]}), "dev", "sw")


@pytest.mark.parametrize("content", [b"", b"premise\thypo\tlabel\n"])
def test_an_empty_member_is_refused(archive, content):
    with pytest.raises(BadInput, match=r"multinli\.train\.de\.tsv"):
        read_split(archive({TRAIN.format("de"): content}), "train", "de")


@pytest.mark.parametrize("gone", ["premise", "hypo", "label"])
def test_a_missing_column_is_named(archive, gone):
    lines = training(3)
    lines[0] = lines[0].replace(gone, "other")
    with pytest.raises(BadInput, match=f"no column '{gone}'"):
        read_split(archive({TRAIN.format("de"): lines}), "train", "de")


@pytest.mark.parametrize("expected", [4, 6])
def test_another_number_of_rows_is_another_version(archive, expected):
    path = archive({TRAIN.format("de"): training(5)})
    with pytest.raises(BadInput, match=rf"has 5 rows for de, expected_rows\.train says {expected}"):
        read_split(path, "train", "de", expected)
    assert len(read_split(path, "train", "de", None)[0]) == 5


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_what_is_no_archive_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "archive.zip").write_bytes(content)
    with pytest.raises(BadInput, match=r"archive\.zip: not a readable ZIP archive"):
        read_split(tmp_path / "archive.zip", "train", "de")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_archive_is_refused(archive, share):
    path = archive({TRAIN.format("de"): training(300)})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BadInput, match=r"archive\.zip: not a readable ZIP archive"):
        read_split(path, "train", "de")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("where", ["its head", "its first bytes", "the middle", "near the end"])
def test_a_corrupt_member_is_bad_input_wherever_it_is_damaged(archive, method, where):
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=9)) for _ in range(6000)]
    lines = ["premise\thypo\tlabel", *(f"{a} x\t{b} y\tneutral" for a, b in zip(words[::2], words[1::2], strict=True))]
    path = archive({TRAIN.format("de"): lines}, method=method)
    with zipfile.ZipFile(path) as opened:
        info = opened.getinfo(TRAIN.format("de"))
        start = info.header_offset + 30 + len(info.filename)
    content = bytearray(path.read_bytes())
    middle, end = start + info.compress_size // 2, start + info.compress_size - 40
    place = {"its head": info.header_offset, "its first bytes": start, "the middle": middle, "near the end": end}[where]
    for k in range(8):  # text stays text, so that only the checksum tells; a compressed stream cannot begin with 0xff
        content[place + k] = 0xFF if where == "its first bytes" else content[place + k] ^ 0x15
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"archive\.zip"):
        read_split(path, "train", "de")


# ------------------------------------------------------------------------------------------ text

TOKENISED = pd.DataFrame({"premise": ["We 're here , at 5 o 'clock ."], "hypothesis": ["( He left . )"], "target": [0]})


def test_detokenising_undoes_moses_and_keeps_the_published_text():
    done = xnli.prepare_text(TOKENISED, "en", moses=True, join=False)
    assert done["premise"].tolist() == ["We're here, at 5 o'clock."]
    assert done["hypothesis"].tolist() == ["(He left.)"]
    for name in ("premise", "hypothesis"):
        assert done[f"published_{name}"].tolist() == TOKENISED[name].tolist()


def test_text_that_is_not_to_be_touched_stays():
    done = xnli.prepare_text(TOKENISED, "en", moses=False, join=False)
    for name in ("premise", "hypothesis", "published_premise", "published_hypothesis"):
        assert done[name].tolist() == TOKENISED[name.removeprefix("published_")].tolist()


@pytest.mark.parametrize("moses", [True, False])
def test_words_are_joined_where_it_is_asked(moses):
    table = pd.DataFrame({"premise": ["这 场 婚礼 。"], "hypothesis": ["在 星期六"]})
    done = xnli.prepare_text(table, "zh", moses, join=True)
    assert done["premise"].tolist() == ["这场婚礼。"]
    assert done["published_premise"].tolist() == table["premise"].tolist()


# ------------------------------------------------------------------------------------------ the published files


@pytest.mark.real_data
@pytest.mark.parametrize(("split", "rows", "premises"), [("dev", 2490, 830), ("test", 5010, 1670)])
def test_the_real_dev_and_test_sets_are_parallel_and_balanced(mirror, split, rows, premises):
    tables = {}
    for language in ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"):
        table, unusable = read_split(mirror / "xnli" / "XNLI-1.0.zip", split, language, rows)
        assert unusable == 0
        assert table["cluster"].nunique() == premises
        assert table["target"].value_counts().tolist() == [rows // 3] * 3
        assert (table.groupby("cluster")["target"].nunique() == 3).all()
        tables[language] = table
    for table in tables.values():
        for column in ("id", "cluster", "target"):
            assert table[column].tolist() == tables["en"][column].tolist()


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "ar", "zh"])
def test_the_real_training_head_has_the_labels_it_is_known_to_have(mirror, language):
    table, unusable = read_split(mirror / "xnli" / "XNLI-MT-1.0.zip", "train", language, 15_001)
    assert unusable == 0
    assert table["target"].value_counts().to_dict() == {0: 5100, 1: 5504, 2: 4397}
