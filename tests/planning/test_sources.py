"""Where a task's rows come from: an archive for all languages and splits, or a file each."""

import pytest

from carryover.planning.runs import check_columns, source_names
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
    with pytest.raises(
        BadInput, match=r"tasks\.any\.training: no file 'train_sw' in fetch\.files \(train of sw\); did you mean train_de"
    ):
        source_names(config, "any", "sw", ["train"])


@pytest.mark.parametrize(
    ("evaluation", "columns", "told"),
    [
        ("rows", {"language": "language", "split": None}, r"evaluation: rows has rows of several splits.*columns\.split"),
        ("rows_{split}", {"language": None, "split": None}, r"evaluation: rows_\{split\} has rows of several languages"),
        ("rows_{split}", {"language": "language", "split": None}, ""),
        ("rows", {"language": "language", "split": "split"}, ""),
        ("{language}_{split}", {"language": None, "split": None}, ""),
        ("xnli", {"language": None, "split": None}, ""),  # an archive has a file or a column of its own for each
    ],
)
def test_rows_that_nothing_tells_apart_are_refused_before_they_are_read(evaluation, columns, told):
    paths = {"xnli": "XNLI-1.0.zip", **{name: f"{name}.csv" for name in ("rows", "rows_dev", "rows_test", "nl_dev", "nl_test")}}
    files = {name: {"path": path} for name, path in paths.items()}
    task = {"evaluation": evaluation, "training": "xnli", "columns": columns}
    config = {"fetch": {"files": files}, "tasks": {"nli": task}, "languages": ["nl", "en"]}
    if not told:
        check_columns(config, "nli")
        return
    with pytest.raises(BadInput, match=told):
        check_columns(config, "nli")


def test_the_rows_of_one_language_need_no_column_for_it():
    files = {name: {"path": f"{name}.csv"} for name in ("train", "rows_dev", "rows_test")}
    task = {"evaluation": "rows_{split}", "training": "train", "columns": {"language": None, "split": None}}
    check_columns({"fetch": {"files": files}, "tasks": {"nli": task}, "languages": ["nl"]}, "nli")
