"""The embedded corpus: in the published layout, parallel, balanced, its splits apart, and the same bytes everywhere."""

import hashlib
import io
import itertools
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter

import pandas as pd
import pytest
import yaml

from carryover.data import mini, xnli
from mini_corpus import LANGUAGES, ROOT, SOURCE, SPLITS, TRAIN_MEMBER, built, letters, members, rows

OTHERS = [language for language in LANGUAGES if language != "en"]
OVERLAY = yaml.safe_load((ROOT / "workflow" / "overlays" / "mini.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def plan():
    """The frames, and the groups of each split as the builder plans them."""
    frames = yaml.safe_load((SOURCE / "frames.yaml").read_text(encoding="utf-8"))
    slots = mini.load_sources(SOURCE, "en")["slots"]
    return frames, {split: mini.plan_groups(frames, slots, split) for split in SPLITS}


def test_the_layout_is_the_published_one():
    expected = {TRAIN_MEMBER.format(language) for language in LANGUAGES} | {"XNLI-1.0/xnli.dev.tsv", "XNLI-1.0/xnli.test.tsv"}
    assert set(members()) == expected
    for name, text in members().items():
        header = (
            "premise\thypo\tlabel" if "train" in name else "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\tgenre"
        )
        lines = text.split("\n")
        assert lines[0] == header and lines[-1] == ""
        assert {line.count("\t") for line in lines[1:-1]} == {header.count("\t")}
        assert "\r" not in text and "\u2028" not in text


def test_labels_are_spelled_as_published():
    for language in LANGUAGES:
        assert set(rows("train", language)["label"]) == {"entailment", "contradictory", "neutral"}
        assert set(rows("dev", language)["label"]) == set(rows("test", language)["label"]) == set(mini.LABELS)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The files of the corpus on disk."""
    made = tmp_path_factory.mktemp("archives")
    for name, content in built().items():
        (made / name).write_bytes(content)
    return made


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reader_of_the_published_files_reads_it(directory, language):
    expected = OVERLAY["tasks"]["nli"]["expected_rows"]
    for split in SPLITS:
        archive = directory / ("XNLI-MT-1.0.zip" if split == "train" else "XNLI-1.0.zip")
        table, unusable = xnli.read_split(archive, split, language, mini.LABELS, expected[split])
        assert unusable == 0
        assert table[["premise", "hypothesis"]].equals(rows(split, language)[["premise", "hypothesis"]])


@pytest.mark.real_data
def test_the_layout_is_that_of_the_real_archives(mirror):
    for archive in ("XNLI-1.0.zip", "XNLI-MT-1.0.zip"):
        with zipfile.ZipFile(mirror / "xnli" / archive) as opened:
            for info in opened.infolist():
                assert opened.open(info).readline().decode().rstrip("\n") == members()[info.filename].split("\n")[0]


def test_archives_are_stored_with_fixed_times_and_are_what_the_overlay_accepts():
    for file in OVERLAY["fetch"]["files"].values():
        content = built()[file["url"].removeprefix("mini:")]
        assert file["sha256"] == [hashlib.sha256(content).hexdigest()]
        if file["path"].endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for info in archive.infolist():
                    told = (info.compress_type, info.date_time, info.create_system, info.external_attr)
                    assert told == (zipfile.ZIP_STORED, (2020, 1, 1, 0, 0, 0), 3, 0o644 << 16)


@pytest.mark.slow
def test_another_process_builds_the_same_bytes(tmp_path):
    """With another hash seed, folder, time zone and locale."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow"),
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
    }
    command = [sys.executable, "-m", "carryover.data.mini", str(SOURCE)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    told = dict(line.split(": ") for line in ran.stdout.splitlines())
    assert told == {name: hashlib.sha256(content).hexdigest() for name, content in built().items()}, ran.stderr


def test_the_sources_are_small_and_complete():
    assert sum(path.stat().st_size for path in SOURCE.rglob("*") if path.is_file()) < 3_000_000
    for kind, ending in (("core", "tsv"), ("templates", "yaml")):
        assert sorted(path.name for path in (SOURCE / kind).iterdir()) == [f"{language}.{ending}" for language in LANGUAGES]


def test_there_is_enough_of_it():
    assert len(rows("train", "en")) >= 4000
    dev, test = rows("dev", "en"), rows("test", "en")
    assert min(len(dev), len(test)) >= 600
    written = [table[table["genre"] == "handwritten"]["premise"].nunique() for table in (dev, test)]
    assert min(written) >= 20 and sum(written) >= 60


# ------------------------------------------------------------------------------------------ alignment, balance, overlap


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", OTHERS)
def test_a_row_is_the_same_pair_in_every_language(split, language):
    english, table = rows("train" if split == "train" else split, "en"), rows(split, language)
    same = ["label"] if split == "train" else ["label", "premise_id", "pair_id", "genre"]
    assert table[same].equals(english[same])
    # Rows share a premise in one language exactly where they do in the other.
    assert (pd.factorize(table["premise"])[0] == pd.factorize(english["premise"])[0]).all()


def said(text: str, slots: dict, slot: str, key: str) -> bool:
    """Whether a text holds the slot's item in any of its forms."""
    item = slots[slot][key]
    forms = [form for name, form in item.items() if name != "agr"] if isinstance(item, dict) else [item]
    return any(letters(str(form)) in letters(text) for form in forms)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_row_says_what_the_plan_says(plan, language):
    frames, groups = plan
    source, table = mini.load_sources(SOURCE, language), rows("dev", language)
    templates = table[table["genre"] != "handwritten"].reset_index(drop=True)
    for place, group in enumerate(groups["dev"]):
        roles = {**frames[group.frame]["subject"], **frames[group.frame]["attributes"]}
        three = templates[3 * place : 3 * place + 3]
        assert set(three["genre"]) == {group.frame}
        for role, key in group.values:
            assert said(three["premise"].iloc[0], source["slots"], roles[role], key), (role, key)
        hypotheses = dict(zip(three["label"], three["hypothesis"], strict=True))
        for label, attribute, key, _ in group.hypotheses:
            assert said(hypotheses[label], source["slots"], roles[attribute], key), (label, attribute, key)


@pytest.mark.parametrize("split", SPLITS)
def test_the_premise_decides_every_label(plan, split):
    """By logic alone: what a premise does not state is neutral; what it states is as stated, unless negated."""
    for group in plan[1][split]:
        stated = {role: key for role, key in group.values if role in group.stated}
        for label, attribute, key, negated in group.hypotheses:
            if attribute not in stated:
                assert label == "neutral"
            else:
                assert label == ("entailment" if (stated[attribute] == key) != negated else "contradiction")


@pytest.mark.parametrize("split", SPLITS)
def test_attributes_and_polarities_are_asked_equally_under_each_label(plan, split):
    asked = Counter(
        (group.frame, label, role, negated) for group in plan[1][split] for label, role, _, negated in group.hypotheses
    )
    for frame, role, negated in {(frame, role, negated) for frame, _, role, negated in asked}:
        assert len({asked[frame, label, role, negated] for label in mini.LABELS}) == 1, (frame, role, negated)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_splits_genres_and_premises_are_balanced(split):
    table = rows(split, "en")
    for group in ("language", "genre", "premise_id", "premise"):
        counts = table.groupby(group)["label"].value_counts().unstack()
        assert counts.notna().all(axis=None)
        assert (counts.nunique(axis=1) == 1).all()
    assert table["pair_id"].is_unique
    assert table.groupby("premise_id").size().eq(3).all()


def test_training_is_balanced():
    counts = rows("train", "en")["label"].value_counts()
    assert counts.nunique() == 1
    assert (rows("train", "en").groupby("premise")["label"].nunique() == 3).all()


def test_dev_and_test_have_different_ids():
    for column in ("pair_id", "premise_id"):
        assert not set(rows("dev", "en")[column]) & set(rows("test", "en")[column])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_premise_is_in_two_splits_and_no_row_is_there_twice(language):
    premises = {}
    for split in SPLITS:
        table = rows(split, language)
        assert not table.duplicated(["premise", "hypothesis"]).any()
        premises[split] = {letters(premise) for premise in table["premise"]}
        assert len(premises[split]) == len(table) // 3
    for one, other in itertools.combinations(SPLITS, 2):
        assert not premises[one] & premises[other]


# ------------------------------------------------------------------------------------------ the builder's parts

SLOTS = {
    "name": {"anna": {"text": "Anna", "gen": "Annas", "agr": "f"}, "tom": {"text": "Tom", "gen": "Toms", "agr": "m"}},
    "job": {"cook": {"text": "Koch", "m": "Koch", "f": "Köchin", "gen_f": "der Köchin"}, "baker": "Bäcker"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name} ist {job}.", "Anna ist Koch."),
        ("{name.gen} Beruf", "Annas Beruf"),
        ("{name} ist {job@name}.", "Anna ist Köchin."),
        ("das Haus {job.gen@name}", "das Haus der Köchin"),
        ("{name?m=sein|f=ihr} Haus", "ihr Haus"),
        ("ohne Felder", "ohne Felder"),
    ],
)
def test_fields_are_filled_with_the_form_that_agrees(template, expected):
    assert mini.fill(template, {"name": "name", "job": "job"}, {"name": "anna", "job": "cook"}, SLOTS) == expected


@pytest.mark.parametrize("template", ["{name.dat}", "{job@name}", "{name?m=sein}", "{who}"])
def test_a_form_that_is_not_there_is_named(template):
    with pytest.raises(KeyError, match=re.escape(template)):
        mini.fill(f"x {template}", {"name": "name", "job": "job"}, {"name": "anna", "job": "baker"}, SLOTS)


@pytest.mark.parametrize(
    ("text", "language", "expected"), [("istasyon", "tr", "İstasyon"), ("ilk", "sw", "Ilk"), ("école", "fr", "École")]
)
def test_sentences_begin_with_their_own_capital(text, language, expected):
    assert mini.capitalise(text, language) == expected


def test_too_few_combinations_are_refused():
    frames = {"small": {"subject": {"a": "a"}, "attributes": {"x": "v", "y": "v", "z": "v"}}}
    with pytest.raises(ValueError, match="frame small: 4 premises about"):
        mini.plan_groups(frames, {"a": ["one"], "v": {"p": "p", "q": "q"}}, "dev")
