"""Rows of one's own in the three formats, which say the same, and what is refused with its line."""

import csv
import io
import json

import pandas as pd
import pytest

from carryover.data.pairs import read_pairs
from carryover.runtime.errors import BadInput

LABELS = {"entailment": 0, "contradiction": 1, "neutral": 2, "ja": 0}
COLUMNS = {
    **{name: name for name in ("premise", "hypothesis", "label", "language", "id")},
    **{"split": "part", "premise_id": None},
}
NAMES = ["id", "language", "part", "premise", "hypothesis", "label"]
ROWS = [
    ["a1", "nl", "dev", "De kat slaapt.", "Een dier rust.", "ja"],
    ["a2", "nl", "dev", "De kat slaapt.", "De kat blaft.", "contradiction"],
    ["a1", "nl", "test", "Elders.", "Anders.", "neutral"],
    ["a1", "en", "dev", "The cat sleeps.", "An animal rests.", "entailment"],
    ["17", "nl", "dev", "Het regent.", "Het is nat.", "neutral"],
]


def written(path, rows=ROWS, names=NAMES):
    """The rows in the format of the path's suffix."""
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(dict(zip(names, row, strict=False)), ensure_ascii=False) + "\n" for row in rows)
    elif path.suffix == ".csv":
        buffer = io.StringIO()
        csv.writer(buffer).writerows([names, *rows])
        text = buffer.getvalue()
    else:
        text = "".join("\t".join(row) + "\n" for row in [names, *rows])
    path.write_bytes(text.encode())
    return path


@pytest.fixture(params=[".tsv", ".csv", ".jsonl"])
def file(request, tmp_path):
    return tmp_path / f"rows{request.param}"


def test_the_rows_of_a_language_and_split_are_read_by_name(file):
    table, unusable = read_pairs(written(file), "nl", "dev", COLUMNS, LABELS)
    assert unusable == []
    assert table["premise"].tolist() == ["De kat slaapt.", "De kat slaapt.", "Het regent."]
    assert table["hypothesis"].tolist() == ["Een dier rust.", "De kat blaft.", "Het is nat."]
    assert table["target"].tolist() == [0, 1, 2]
    assert table["id"].is_unique and table["id"][2] == 17 and table["id"].dtype == "int64"
    assert table["cluster"].tolist() == [min(table["id"][:2])] * 2 + [17]


def test_one_id_is_one_number_in_every_format_and_language(tmp_path):
    ids = {
        read_pairs(written(tmp_path / f"rows{suffix}"), language, "dev", COLUMNS, LABELS)[0]["id"][0]
        for suffix in (".tsv", ".csv", ".jsonl")
        for language in ("nl", "en")
    }
    assert len(ids) == 1


def test_rows_without_ids_are_translations_of_nothing(file):
    columns = COLUMNS | {"id": None, "language": None}
    dutch, english = (read_pairs(written(file), language, "dev", columns, LABELS)[0] for language in ("nl", "en"))
    assert len(dutch) == 4 and dutch["id"].is_unique
    assert not set(dutch["id"]) & set(english["id"]) and not set(dutch["cluster"]) & set(english["cluster"])


def test_premises_that_the_file_names_are_clusters_in_any_order(file):
    rows = [["1", "nl", "dev", "Hetzelfde", "x", "ja", "p"], ["2", "nl", "dev", "Hetzelfde", "y", "ja", "q"]]
    columns = COLUMNS | {"premise_id": "passage"}
    table, _ = read_pairs(written(file, rows, [*NAMES, "passage"]), "nl", "dev", columns, LABELS)
    assert table["cluster"].nunique() == 2
    turned, _ = read_pairs(written(file, rows[::-1], [*NAMES, "passage"]), "nl", "dev", columns, LABELS)
    assert turned.sort_values("id")["cluster"].tolist() == table["cluster"].tolist()


def test_clusters_of_one_premise_do_not_depend_on_the_order_of_rows(file):
    table, turned = (
        read_pairs(written(file, rows), "nl", "dev", COLUMNS, LABELS)[0].sort_values("id") for rows in (ROWS, ROWS[::-1])
    )
    assert table["cluster"].tolist() == turned["cluster"].tolist()


def test_a_byte_order_mark_is_no_text(file):
    plain, _ = read_pairs(written(file), "nl", "dev", COLUMNS, LABELS)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    pd.testing.assert_frame_equal(read_pairs(file, "nl", "dev", COLUMNS, LABELS)[0], plain)


def test_text_keeps_what_its_format_lets_it_keep(tmp_path):
    said = 'He said "no", twice'
    rows = [["1", "nl", "dev", said, "two\nlines" if suffix != ".tsv" else "'", "ja"] for suffix in (".csv",)]
    table, _ = read_pairs(written(tmp_path / "rows.csv", [*rows, *ROWS[1:2]]), "nl", "dev", COLUMNS, LABELS)
    assert table["premise"][0] == said and table["hypothesis"][0] == "two\nlines"
    rows = [["1", "nl", "dev", said, '"a\u2028b', "ja"]]
    table, _ = read_pairs(written(tmp_path / "rows.tsv", rows), "nl", "dev", COLUMNS, LABELS)
    assert table["premise"][0] == said and table["hypothesis"][0] == '"a\u2028b'


def test_labels_and_ids_of_json_lines_may_be_numbers(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"premise": "a", "hypothesis": "b", "label": 0, "id": 5, "more": [1]}\n\n', encoding="utf-8")
    columns = COLUMNS | {"language": None, "split": None}
    table, _ = read_pairs(path, "nl", "train", columns, {"0": 1})
    assert table[["id", "target"]].to_numpy().tolist() == [[5, 1]]


def test_rows_that_cannot_be_used_are_listed_with_their_lines(tmp_path):
    path = written(tmp_path / "rows.csv", [*ROWS, ["8", "nl", "dev", "", "b", "ja"], ["9", "nl", "dev", "a, b", "c"]])
    table, unusable = read_pairs(path, "nl", "dev", COLUMNS, LABELS)
    assert len(table) == 3 and unusable == [(7, "no premise"), (8, "5 fields of 6")]


# ------------------------------------------------------------------------------------------ what is refused


def refused(path, told, columns=COLUMNS, language="nl", split="dev"):
    with pytest.raises(BadInput, match=told) as caught:
        read_pairs(path, language, split, columns, LABELS)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_missing_column_is_named_with_those_that_there_are(file):
    refused(written(file), r"no column 'sentence1'; there are: id, language, part, premise", COLUMNS | {"premise": "sentence1"})


def test_an_unknown_label_names_its_line(file):
    line = 6 if file.suffix == ".jsonl" else 7
    refused(written(file, [*ROWS, ["b", "nl", "dev", "p", "h", "Ja"]]), rf"line {line}: unknown label 'Ja'; known: entailment")


def test_an_id_given_twice_names_both_lines(file):
    lines = (1, 6) if file.suffix == ".jsonl" else (2, 7)
    refused(written(file, [*ROWS, ROWS[0]]), rf"line {lines[1]}: id 'a1' stands in line {lines[0]} too")


def test_a_language_or_split_without_rows_names_those_that_have_some(file):
    refused(written(file), r"no rows of language 'fy' in its column 'language', which has en, nl", language="fy")
    refused(written(file), r"no rows of split 'train' in its column 'part', which has dev, test", split="train")
    file.write_bytes(b"")
    refused(file, r"no rows of language 'nl' in its column 'language', which is empty")


def test_text_that_is_not_utf8_names_its_line(file):
    written(file)
    file.write_bytes(file.read_bytes().replace(b"regent", b"reg\xe9nt"))
    refused(file, rf"line {5 if file.suffix == '.jsonl' else 6}: not UTF-8")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.jsonl", '{"premise": 1}\n{', r"line 1: no column 'hypothesis'"),
        ("rows.jsonl", "{\n", r"line 1: not JSON"),
        ("rows.jsonl", "[1]\n", r"line 1: not an object"),
        ("rows.csv", 'premise,"hypo\n', r"line 1: not CSV"),
        ("rows.csv", "premise;label\na;b\n", r"no column 'premise'; there are: premise;label"),
        ("rows.tsv", "label\tlabel\nx\ty\n", r"column 'label' stands in its first line twice"),
        ("rows.txt", "x", r"rows are read from \.tsv, \.csv, \.jsonl, and XNLI's from its archives \(\.zip\)"),
    ],
)
def test_what_is_not_the_format_is_refused(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    refused(path, told)
