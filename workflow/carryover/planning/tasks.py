"""What rules need to know of a task without its code: its answer, views and files, its sources, and the options of each step.

The schema of a task (`schemas/tasks/<task>.yaml`) says so: `x-answer`, `x-views`, `x-files` of the task, and `x-stage` of a key:
`read` (the step that reads rows), `read_training` (that too, for training text alone) and `encode` (rows to token ids). A job's
key holds no more of them than the job can see: of a list of languages whether its own is one, of a mapping by split its own.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from carryover.planning.schema import Schema
from carryover.runtime.errors import BadInput

SPLITS = ("train", "dev", "test")


def answer_of(schema: Schema, task: str) -> str:
    """The kind of a task's answer: a module of `carryover.answers`."""
    return _task(schema, task)["x-answer"]


def views_of(schema: Schema, task: str) -> list[str]:
    """The views of a task; the first shows whole examples."""
    return _task(schema, task)["x-views"]


def answer_files(schema: Schema, task: str) -> list[str]:
    """The names of the files that a task's answer adds to a trained model's directory."""
    return _task(schema, task)["x-files"]


def source_names(config: Mapping[str, Any], task: str, language: str, splits: Sequence[str]) -> list[str]:
    """The names in `fetch.files` for these splits of a language: one for all of them, or one each, in their order.

    A task's `training` names the source of the split `train`, `evaluation` that of the others; `{language}` and `{split}` in
    such a name stand for what is asked. Raises BadInput for a name that is not in `fetch.files`.
    """
    names = []
    for split in splits:
        key = "training" if split == "train" else "evaluation"
        name = config["tasks"][task][key].replace("{language}", language).replace("{split}", split)
        if name not in config["fetch"]["files"]:
            raise BadInput(f"config: tasks.{task}.{key}: no file {name!r} in fetch.files ({split} of {language})")
        names.append(name)
    return list(dict.fromkeys(names))


def reading_options(
    config: Mapping[str, Any], schema: Schema, task: str, language: str, splits: Sequence[str], unsegmented: Collection[str]
) -> dict[str, Any]:
    """The `options` of a task's `read`. unsegmented: the languages that are written without spaces."""
    if "train" not in splits:
        return _options(config, schema, task, ["read"], language, splits)
    options = _options(config, schema, task, ["read", "read_training"], language, splits)
    return {**options, "unsegmented": language in unsegmented}


def encoding_options(config: Mapping[str, Any], schema: Schema, task: str) -> dict[str, Any]:
    """The `options` of a task's `encode`."""
    return _options(config, schema, task, ["encode"], "", SPLITS)


def unsegmented_languages(table: Path) -> list[str]:
    """The languages of `data/languages.csv` that are written without spaces between words."""
    with table.open(encoding="utf-8", newline="") as file:
        return [row["language"] for row in csv.DictReader(file) if row["spaces"] == "no"]


def _options(
    config: Mapping[str, Any], schema: Schema, task: str, stages: Sequence[str], language: str, splits: Sequence[str]
) -> dict[str, Any]:
    section, options = config["tasks"][task], {}
    for name, key in _task(schema, task)["properties"].items():
        theirs = key.get("x-stage", ())
        if not set([theirs] if isinstance(theirs, str) else theirs) & set(stages):
            continue
        value = section[name]
        if key.get("items") == {"$ref": "#/$defs/language"}:
            value = language in value
        elif set(key.get("properties", ())) == set(SPLITS):
            value = {split: value[split] for split in splits}
        elif key.get("x-names") == [f"tasks.{task}.{name}s"]:  # the template of this name, of the templates
            value = section[f"{name}s"][value]
        options[name] = value
    return options


def _task(schema: Schema, task: str) -> Schema:
    return schema["properties"]["tasks"]["properties"][task]
