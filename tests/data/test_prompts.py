"""Prompts as token ids: what stands in them, what is cut, and what a label is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from carryover.data import prompts, tokenizer
from carryover.planning.schema import load_schema
from carryover.runtime.errors import BadInput

TEMPLATES = load_schema()["properties"]["tasks"]["properties"]["nli"]["properties"]["templates"]["default"]
COURSE = TEMPLATES["course"]
FIELDS = ("premise", "hypothesis")
LABELS = ("0", "1", "2")
OWN_WORDS = len("Premise: \nHypothesis: \nLabel:")


@pytest.fixture(scope="module")
def bpe(tmp_path_factory) -> Tokenizer:
    """A small BPE whose entries cross words' letters, trained on prompts."""
    text = tmp_path_factory.mktemp("text") / "text.txt"
    lines = [
        f"Premise: the {a} cats sat.\nHypothesis: {a} dogs ran.\nLabels: {n}" for n, a in enumerate(["old", "young", "small"] * 9)
    ]
    text.write_text("\n".join(lines), encoding="utf-8")
    return tokenizer.train_bpe(text, 340)


@pytest.fixture(scope="module")
def letters() -> Tokenizer:
    """One token a byte: what is cut can be counted in letters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def table(*pairs: tuple[str, str]) -> pd.DataFrame:
    rows = [(premise, hypothesis, k % 3, 100 + k, 10 + k // 3) for k, (premise, hypothesis) in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "target", "id", "cluster"])


PAIRS = [
    ("The old cats sat.", "Young dogs ran."),
    ("แมวนั่ง", "猫坐下了。"),
    ("", "No premise."),
    (" a  b ", "{x} 'quoted'\u2028."),
    ("x", "y"),
]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("kind", ["bpe", "letters"])
def test_a_prompt_is_the_template_and_the_label_is_one_more_token(request, kind, name):
    made, template = request.getfixturevalue(kind), TEMPLATES[name]
    dataset, counts = prompts.tokenize(table(*PAIRS), made, template, FIELDS, LABELS, 1024)
    for row, (premise, hypothesis) in enumerate(PAIRS):
        text = template.format(premise=premise, hypothesis=hypothesis)
        assert made.decode(list(dataset.sequence(row))) == text
        answer = made.encode(text + LABELS[row % 3]).ids
        assert [*dataset.sequence(row), dataset.answers(np.array([row]))[0]] == answer
    assert counts == {"rows": 5, "premise_cut": 0, "hypothesis_cut": 0}
    assert dataset.lengths.tolist() == [len(dataset.sequence(row)) for row in range(5)]
    assert dataset.targets.tolist() == [0, 1, 2, 0, 1]
    assert dataset.row_ids.tolist() == [100, 101, 102, 103, 104]
    assert dataset.clusters.tolist() == [10, 10, 10, 11, 11]


def test_chunks_of_rows_make_no_difference(bpe, monkeypatch):
    whole, counted = prompts.tokenize(table(*PAIRS), bpe, COURSE, FIELDS, LABELS, 40)
    monkeypatch.setattr(prompts, "ROWS_AT_ONCE", 2)
    chunked, also = prompts.tokenize(table(*PAIRS), bpe, COURSE, FIELDS, LABELS, 40)
    assert counted == also
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(value, getattr(chunked, name))


@pytest.mark.parametrize(
    ("label", "template"),
    [
        ("10 ", COURSE),  # two tokens
        ("", COURSE),  # none
        ("ไ", COURSE),  # three bytes
        ("s", COURSE.removesuffix(":")),  # `Label` and `s` are one word: the prompt itself would change
        ("s", "{premise}\n{hypothesis}"),
    ],
)
def test_a_label_that_is_not_one_token_in_context_is_named(bpe, label, template):
    with pytest.raises(BadInput, match=r"one token|different token") as caught:
        prompts.tokenize(table(("The cats", "Labels dog"), ("x", "cat")), bpe, template, FIELDS, ("0", label, "2"), 1024)
    assert repr(label) in str(caught.value)


def test_a_label_that_is_one_token_alone_but_not_in_context_is_refused(bpe):
    assert len(bpe.encode("s").ids) == 1
    with pytest.raises(BadInput, match="'s'"):
        prompts.label_token(bpe, [COURSE.removesuffix(":").format(premise="a", hypothesis="b")], "s")


# ------------------------------------------------------------------------------------------ truncation


@pytest.mark.parametrize(
    ("room", "premise", "hypothesis", "cut"),
    [
        (16, "abcdefghij", "uvwxyz", (0, 0)),
        (15, "abcdefghi", "uvwxyz", (1, 0)),
        (9, "abc", "uvwxyz", (1, 0)),
        (6, "", "uvwxyz", (1, 0)),
        (5, "", "uvwxy", (1, 1)),
        (0, "", "", (1, 1)),
    ],
)
def test_the_premise_is_cut_from_its_end_and_then_the_hypothesis(letters, room, premise, hypothesis, cut):
    longest = OWN_WORDS + room + 1
    dataset, counts = prompts.tokenize(table(("abcdefghij", "uvwxyz"), ("a", "")), letters, COURSE, FIELDS, LABELS, longest)
    assert letters.decode(list(dataset.sequence(0))) == COURSE.format(premise=premise, hypothesis=hypothesis)
    other = room < 1  # the second row fits but for the smallest room
    assert counts == {"rows": 2, "premise_cut": cut[0] + other, "hypothesis_cut": cut[1]}
    assert dataset.lengths[0] + 1 <= longest
    assert dataset.answers(np.array([0])) == letters.token_to_id("0")


def test_a_length_below_the_template_s_own_words_is_refused(letters):
    with pytest.raises(BadInput, match="max_length"):
        prompts.tokenize(table(("abc", "def")), letters, COURSE, FIELDS, LABELS, OWN_WORDS)


@pytest.mark.parametrize("longest", [1024, 40, 30, 24, 20])
def test_no_prompt_is_longer_and_every_prompt_keeps_its_frame(bpe, longest):
    pairs = [("The old cats sat. " * k, "Young ไทย dogs ran. " * m) for k in range(1, 5) for m in range(4)]
    dataset, counts = prompts.tokenize(table(*pairs), bpe, COURSE, FIELDS, LABELS, longest)
    whole, _ = prompts.tokenize(table(*pairs), bpe, COURSE, FIELDS, LABELS, 4096)
    assert dataset.lengths.max() + 1 <= longest
    assert counts["premise_cut"] == (whole.lengths + 1 > longest).sum()
    for row, (premise, hypothesis) in enumerate(pairs):
        ids = dataset.sequence(row)
        assert len(ids) == min(longest - 1, whole.lengths[row])
        text = bpe.decode(list(ids))
        assert text.startswith("Premise:") and text.endswith("\nLabel:") and "\nHypothesis:" in text
        kept, other = text.removeprefix("Premise:").removesuffix("\nLabel:").split("\nHypothesis:")
        assert f" {premise}".startswith(kept)
        assert f" {hypothesis}".startswith(other.rstrip("\ufffd"))  # a cut can fall between the bytes of a letter
        if other != f" {hypothesis}":
            assert len(kept) <= len(" The")  # nothing of the hypothesis goes while there is a premise to cut


def test_only_premises_that_lose_something_are_counted_as_cut(letters):
    """A hypothesis alone, in the control, has no premise to lose."""
    _, counts = prompts.tokenize(table(("", "uvwxyz")), letters, COURSE, FIELDS, LABELS, OWN_WORDS + 4)
    assert counts == {"rows": 1, "premise_cut": 0, "hypothesis_cut": 1}


# ------------------------------------------------------------------------------------------ examples and files


@pytest.fixture
def dataset(bpe):
    return prompts.tokenize(table(*PAIRS), bpe, COURSE, FIELDS, LABELS, 1024)[0]


def test_only_the_label_is_learned(dataset):
    for row in range(len(dataset)):
        example = dataset[row]
        answer = dataset.candidates[dataset.targets[row]]
        assert example["input_ids"].tolist() == [*dataset.sequence(row), answer]
        assert example["labels"].tolist() == [-100] * len(dataset.sequence(row)) + [answer]
        assert example["attention_mask"].tolist() == [1] * (len(dataset.sequence(row)) + 1)
        assert {tensor.dtype for tensor in example.values()} == {torch.int64}


def test_examples_are_padded_on_the_right(dataset):
    examples = [dataset[row] for row in range(len(dataset))]
    batch = prompts.XNLIDataset.collate_fn(examples)
    longest = max(len(example["labels"]) for example in examples)
    for name, padding in (("input_ids", 0), ("attention_mask", 0), ("labels", -100)):
        expected = [example[name].tolist() + [padding] * (longest - len(example[name])) for example in examples]
        assert batch[name].tolist() == expected


def test_files_are_read_back_as_they_were(dataset, tmp_path):
    dataset.save(tmp_path / "a.safetensors")
    back = prompts.XNLIDataset.load([tmp_path / "a.safetensors"])
    for name, value in vars(dataset).items():
        np.testing.assert_array_equal(getattr(back, name), value)
        assert getattr(back, name).dtype == value.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_files_of_several_languages_follow_each_other(dataset, tmp_path, bpe):
    second = prompts.tokenize(table(("Another", "one"), ("and", "a longer one")), bpe, COURSE, FIELDS, LABELS, 1024)[0]
    third = replace(dataset, targets=dataset.targets[::-1].copy())
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for part, path in zip((dataset, second, third), paths, strict=True):
        part.save(path)
    together = prompts.XNLIDataset.load(paths)
    assert len(together) == 12
    rows = [(part, row) for part in (dataset, second, third) for row in range(len(part))]
    for place, (part, row) in enumerate(rows):
        for name, tensor in part[row].items():
            assert together[place][name].tolist() == tensor.tolist()
        assert together.row_ids[place] == part.row_ids[row]
        assert together.clusters[place] == part.clusters[row]
    assert together.lengths.sum() == len(together.ids)


# ------------------------------------------------------------------------------------------ templates


def test_a_template_is_taken_apart(bpe):
    assert prompts.split_template("{premise}{hypothesis}", FIELDS) == ["", "", ""]
    assert prompts.split_template("a{premise} b {hypothesis}c", FIELDS) == ["a", " b ", "c"]


@pytest.mark.parametrize("template", ["{{x}} {premise} / {hypothesis}", "{premise} {{or}} {hypothesis} {{so}}:"])
def test_doubled_braces_are_braces(letters, template):
    dataset, _ = prompts.tokenize(table(("p", "h")), letters, template, FIELDS, LABELS, 1024)
    assert letters.decode(list(dataset.sequence(0))) == template.format(premise="p", hypothesis="h")


@pytest.mark.parametrize(
    "template",
    [
        "no fields",
        "{premise} alone",
        "{hypothesis} before {premise}",
        "{premise} {hypothesis} {premise}",
        "{premise} {hypothesis} {label}",
        "{} {}",
        "{premise {hypothesis}",
        "{premise} {hypothesis}}",
        "{premise.upper} {hypothesis}",
    ],
)
def test_templates_without_their_two_fields_are_refused(bpe, template):
    with pytest.raises(BadInput, match="template"):
        prompts.tokenize(table(("p", "h")), bpe, template, FIELDS, LABELS, 1024)


@pytest.mark.real_data
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_named_templates_work_with_gpt2_s_own_tokeniser(mirror, name):
    made = tokenizer.from_files(mirror / "gpt2-tokenizer" / "vocab.json", mirror / "gpt2-tokenizer" / "merges.txt")
    dataset, _ = prompts.tokenize(table(*PAIRS), made, TEMPLATES[name], FIELDS, LABELS, 1024)
    assert dataset.candidates.tolist() == [15, 16, 17]  # `0`, `1` and `2` in GPT-2's vocabulary
    assert made.decode(list(dataset.sequence(0))) == TEMPLATES[name].format(premise=PAIRS[0][0], hypothesis=PAIRS[0][1])
