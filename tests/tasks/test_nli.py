"""NLI: rows read with their counts, and what of an example each view shows."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from carryover.runtime.errors import BadInput
from carryover.tasks import nli

ALL = {"evaluation_rows": {"dev": None, "test": None}}


@pytest.fixture
def archive(tmp_path) -> Path:
    """Six training rows of which one cannot be used, and three dev rows of one premise, in one archive."""
    train = [
        "premise\thypo\tlabel",
        *(f"这 里 {k}\t那 里 {k}\t{label}" for k, label in enumerate(["neutral"] * 199 + ["entailment"])),
    ]
    header = "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID"
    labels = ("entailment", "contradiction", "neutral")
    dev = [header, *(f"zh\t{label}\t这 里\t那 里 {k}\t7\t{k}" for k, label in enumerate(labels))]
    with zipfile.ZipFile(tmp_path / "xnli.zip", "w") as opened:
        opened.writestr("multinli.train.zh.tsv", "\n".join([*train, "cut off"]))
        opened.writestr("xnli.dev.tsv", "\n".join(dev))
    return tmp_path / "xnli.zip"


def test_training_rows_are_a_subset_and_counted_before_it(archive):
    options = {"expected_rows": {"train": 201}, "subset": 150, "subset_seed": None, "detokenize": True}
    tables, counts = nli.read([archive], "zh", ["train"], {**options, "unsegment": False, "unsegmented": True})
    assert counts == {"train": {"rows": 201, "used": 150, "unusable": 1, "targets": [0, 0, 150]}}
    assert tables["train"].loc[0, ["premise", "published_premise"]].tolist() == ["这里0", "这 里 0"]


@pytest.mark.parametrize(
    ("split", "detokenize", "unsegment", "unsegmented", "joined"),
    [
        ("train", False, True, True, True),
        ("train", True, False, True, True),
        ("train", False, False, True, False),
        ("train", False, True, False, True),
        ("dev", True, False, True, False),  # dev is raw text
        ("dev", False, True, True, True),  # the course joins zh in every split
    ],
)
def test_words_are_joined_where_training_text_is_detokenised_or_it_is_asked(
    archive, split, detokenize, unsegment, unsegmented, joined
):
    options = {"expected_rows": {split: None}, "subset": 1.0, "subset_seed": None, "detokenize": detokenize, **ALL}
    tables, _ = nli.read([archive], "zh", [split], {**options, "unsegment": unsegment, "unsegmented": unsegmented})
    assert (" " not in tables[split]["premise"][0]) == joined


def test_dev_rows_are_all_taken_as_they_are(archive):
    options = {"expected_rows": {"dev": 3}, "unsegment": False, **ALL}  # dev asks for no more
    tables, counts = nli.read([archive], "zh", ["dev"], options)
    assert counts == {"dev": {"rows": 3, "used": 3, "unusable": 0, "targets": [1, 1, 1]}}
    assert tables["dev"][["id", "cluster", "target"]].to_numpy().tolist() == [[0, 7, 0], [1, 7, 1], [2, 7, 2]]
    assert tables["dev"]["premise"].tolist() == ["这 里"] * 3


@pytest.fixture
def parallel():
    """Twenty premises of three rows each, the rows of a premise apart."""
    rows = [(f"premise {p}", f"hypothesis {p}.{k}", k, 3 * p + k, 50 + p) for k in range(3) for p in range(20)]
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "target", "id", "cluster"])


def test_the_full_view_is_the_table(parallel):
    pd.testing.assert_frame_equal(nli.apply_view(parallel, "full", 0, "eng"), parallel)


def test_the_hypothesis_view_has_no_premise(parallel):
    blind = nli.apply_view(parallel, "hypothesis", 0, "eng")
    assert set(blind["premise"]) == {""}
    pd.testing.assert_frame_equal(blind.drop(columns="premise"), parallel.drop(columns="premise"))
    made = Tokenizer(
        models.BPE(vocab={letter: place for place, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[])
    )
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    options = {"template": "Premise: {premise}\nHypothesis: {hypothesis}\nLabel:", "labels": ["0", "1", "2"]}
    data, counts = nli.encode(blind, made, options, 1024)
    assert made.decode(list(data.sequence(0))) == "Premise: \nHypothesis: hypothesis 0.0\nLabel:"
    assert counts == {"rows": 60, "premise_cut": 0, "hypothesis_cut": 0}


@pytest.mark.parametrize("seed", range(5))
def test_shuffling_moves_whole_premises_and_leaves_nobody_in_place(parallel, seed):
    before = parallel.copy()
    shuffled = nli.apply_view(parallel, "shuffled", seed, "eng")
    assert (shuffled["premise"] != parallel["premise"]).all()
    assert sorted(shuffled["premise"]) == sorted(parallel["premise"])
    assert (shuffled.groupby("cluster")["premise"].nunique() == 1).all()
    assert (shuffled.groupby("premise")["cluster"].nunique() == 1).all()
    pd.testing.assert_frame_equal(shuffled.drop(columns="premise"), parallel.drop(columns="premise"))
    pd.testing.assert_frame_equal(parallel, before)


def test_shuffling_is_a_function_of_its_seed(parallel):
    views = [nli.apply_view(parallel, "shuffled", seed, "eng")["premise"].tolist() for seed in (0, 0, 1, 2)]
    assert views[0] == views[1]
    assert len({tuple(view) for view in views}) == 3


@pytest.mark.parametrize("view", ["full", "hypothesis", "shuffled"])
def test_rows_that_are_the_same_pair_in_two_languages_stay_so(parallel, view):
    """The shuffle depends on seed and ids, not on the text: row k of a control says the same thing in every language."""
    other = parallel.assign(premise=parallel["premise"].str.replace("premise", "Prämisse"))
    one, two = (nli.apply_view(text, view, 3, "eng")["premise"].str.split().str[-1:] for text in (parallel, other))
    assert one.tolist() == two.tolist()


def test_reading_and_tokenising_do_not_load_torch():
    """Its import would be most of the job."""
    library = Path(nli.__file__).parents[2]
    ask = [sys.executable, "-c", "import sys, carryover.tasks.nli; print('torch' in sys.modules)"]
    assert subprocess.run(ask, cwd=library, capture_output=True, text=True, check=True).stdout == "False\n"


def test_rows_of_ones_own_are_read_beside_archives(tmp_path):
    for split in ("dev", "test"):
        rows = [f"{split} {k}\tdann\t{label}" for k, label in enumerate(("ja", "neutral"))]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text\tzweiter\tlabel", *rows]) + "\n", encoding="utf-8")
    columns = {"premise": "text", "hypothesis": "zweiter", "label": "label"}
    options = {"columns": columns | dict.fromkeys(["language", "split", "id", "premise_id"]), "unsegment": False}
    options |= {"label_names": {"ja": "entailment"}, "expected_rows": {"dev": 2, "test": None}, **ALL}
    tables, counts = nli.read([tmp_path / "dev.tsv", tmp_path / "test.tsv"], "de", ["dev", "test"], options)
    assert tables["test"]["published_premise"].tolist() == ["test 0", "test 1"]
    assert counts["dev"] == {"rows": 2, "used": 2, "unusable": 0, "targets": [1, 0, 1]}
    with pytest.raises(BadInput, match=r"dev\.tsv has 2 rows for de, expected_rows\.dev says 2490"):
        nli.read([tmp_path / "dev.tsv"], "de", ["dev"], options | {"expected_rows": {"dev": 2490}})
