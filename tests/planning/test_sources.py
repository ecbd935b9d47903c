"""Where a task's rows come from: an archive for all languages and splits, or a file each."""

import pytest

from carryover.planning.runs import source_names
from carryover.runtime.errors import BadInput

FILES = dict.fromkeys(["xnli", "xnli_mt", "dev_de", "test_de", "train_de"])


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
