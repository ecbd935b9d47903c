"""The tagging task: sentences from files and archives, with their counts."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from carryover.runtime.errors import BadInput
from carryover.tasks import tagging

SENTENCES = Path(__file__).parents[1] / "tagging"
MEMBERS = {split: f"{split}-{{language}}.tsv" for split in ("train", "dev", "test")}
OPTIONS = {
    "members": MEMBERS,
    "scheme": "iob2",
    "tags": None,
    "expected_rows": {"train": 20, "dev": 6, "test": 6},
    "subset": 1.0,
    "subset_seed": None,
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "names.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for file in SENTENCES.glob("*.tsv"):
            opened.write(file, f"names/{file.name}")
    return path


def test_an_archive_and_files_of_their_own_hold_the_same_sentences(archive):
    splits = ["dev", "test"]
    packed, counted = tagging.read([archive], "en", splits, OPTIONS)
    loose, also = tagging.read([SENTENCES / f"{split}-en.tsv" for split in splits], "en", splits, OPTIONS)
    assert counted == also and list(packed) == splits
    for split in splits:
        assert packed[split].equals(loose[split])
    assert counted["dev"] == {
        "rows": 6,
        "used": 6,
        "unusable": 0,
        "words": 28,
        "targets": {"B-LOC": 2, "B-ORG": 2, "B-PER": 3, "I-ORG": 2, "I-PER": 1, "O": 18},
        "stray_inside": 0,
    }


def test_training_sentences_are_a_subset_and_counted_before_it(archive):
    tables, counts = tagging.read([archive], "en", ["train"], {**OPTIONS, "subset": 5})
    assert (counts["train"]["rows"], counts["train"]["used"], len(tables["train"])) == (20, 5, 5)
    assert sum(counts["train"]["targets"].values()) == counts["train"]["words"] == 33


def test_another_number_of_sentences_is_another_version(archive):
    with pytest.raises(BadInput, match=r"names\.zip: names/train-de\.tsv has 4 rows for de, expected_rows\.train says 20"):
        tagging.read([archive], "de", ["train"], OPTIONS)


def test_a_language_that_the_archive_does_not_have_is_named(archive):
    with pytest.raises(BadInput, match=r"names\.zip: no member train-sw\.tsv"):
        tagging.read([archive], "sw", ["train"], OPTIONS)


def test_one_file_is_not_two_splits():
    with pytest.raises(BadInput, match="1 files for the splits dev, test"):
        tagging.read([SENTENCES / "dev-en.tsv"], "en", ["dev", "test"], OPTIONS)


def test_reading_and_tokenising_do_not_load_torch():
    library = Path(tagging.__file__).parents[2]
    ask = [sys.executable, "-c", "import sys, carryover.tasks.tagging; print('torch' in sys.modules)"]
    assert subprocess.run(ask, cwd=library, capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.real_data
@pytest.mark.parametrize(("language", "rows"), [("de", 20000), ("sw", 1000), ("zh", 20000)])
def test_the_published_wikiann_is_read_whole(mirror, language, rows):
    options = {**OPTIONS, "expected_rows": {"train": rows}}
    _, counts = tagging.read([mirror / "wikiann.zip"], language, ["train"], options)
    assert counts["train"]["unusable"] <= 0.01 * rows
    assert set(counts["train"]["targets"]) == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"}
