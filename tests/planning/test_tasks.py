"""What rules know of tasks: their sources, and of their options what a job can see."""

from pathlib import Path

import pytest

from carryover.planning import tasks
from carryover.planning.schema import WORKFLOW, load_schema
from carryover.planning.tasks import encoding_options, reading_options, source_names, unsegmented_languages
from carryover.runtime.errors import BadInput

FILES = dict.fromkeys(["xnli", "xnli_mt", "dev_de", "test_de", "train_de"])
SCHEMA = load_schema()
NLI = {
    "evaluation": "xnli",
    "training": "xnli_mt",
    "train_languages": None,
    "expected_rows": {"train": 7, "dev": 8, "test": 9},
    "subset": 0.5,
    "subset_seed": 3,
    "detokenize": True,
    "unsegment": ["zh"],
    "template": "short",
    "templates": {"long": "a {premise} b {hypothesis}", "short": "{premise} {hypothesis}"},
    "labels": ["0", "1", "2"],
    "max_length": 64,
    "shuffle_seed": 1,
}
TAGGING = {
    "members": {"train": "train-{language}", "dev": "dev-{language}", "test": "test-{language}"},
    "scheme": "iob2",
    "tags": ["O", "B-X", "I-X"],
    "expected_rows": {"train": 7, "dev": None, "test": None},
    "subset": 20,
    "subset_seed": None,
}
CONFIG = {"fetch": {"files": FILES}, "tasks": {"nli": NLI, "tagging": TAGGING}}


@pytest.mark.parametrize(
    ("evaluation", "splits", "names"),
    [
        ("xnli", ["dev", "test"], ["xnli"]),
        ("xnli", ["train"], ["xnli_mt"]),
        ("{split}_{language}", ["dev", "test"], ["dev_de", "test_de"]),
    ],
)
def test_sources_are_by_split_and_language(evaluation, splits, names):
    config = {"fetch": {"files": FILES}, "tasks": {"any": {"evaluation": evaluation, "training": "xnli_mt"}}}
    assert source_names(config, "any", "de", splits) == names


def test_a_source_that_is_not_fetched_is_named():
    config = {"fetch": {"files": FILES}, "tasks": {"any": {"evaluation": "{split}_{language}", "training": "{split}_{language}"}}}
    with pytest.raises(BadInput, match=r"tasks\.any\.training: no file 'train_sw' in fetch\.files \(train of sw\)"):
        source_names(config, "any", "sw", ["train"])


def test_a_job_that_reads_sees_its_own_language_and_splits():
    dev = reading_options(CONFIG, SCHEMA, "nli", "zh", ["dev", "test"], ["th"])
    assert dev == {"expected_rows": {"dev": 8, "test": 9}, "unsegment": True}
    train = reading_options(CONFIG, SCHEMA, "nli", "th", ["train"], ["th"])
    assert train == {
        "expected_rows": {"train": 7},
        "subset": 0.5,
        "subset_seed": 3,
        "detokenize": True,
        "unsegment": False,
        "unsegmented": True,
    }
    tagging = reading_options(CONFIG, SCHEMA, "tagging", "th", ["dev"], [])
    assert tagging == {
        "expected_rows": {"dev": None},
        "members": {"dev": "dev-{language}"},
        "scheme": "iob2",
        "tags": ["O", "B-X", "I-X"],
    }


def test_a_job_that_encodes_sees_the_chosen_template_alone():
    assert encoding_options(CONFIG, SCHEMA, "nli") == {"template": "{premise} {hypothesis}", "labels": ["0", "1", "2"]}
    assert encoding_options(CONFIG, SCHEMA, "tagging") == {"tags": ["O", "B-X", "I-X"]}


def test_facts_of_a_task_are_its_schemas():
    assert tasks.answer_of(SCHEMA, "nli") == "choice" and tasks.answer_of(SCHEMA, "tagging") == "tags"
    assert tasks.views_of(SCHEMA, "nli")[0] == tasks.views_of(SCHEMA, "tagging")[0] == "full"
    assert (tasks.answer_files(SCHEMA, "nli"), len(tasks.answer_files(SCHEMA, "tagging"))) == ([], 1)


def test_languages_without_spaces_are_known():
    assert unsegmented_languages(Path(WORKFLOW).parent / "data/languages.csv") == ["th", "zh"]
