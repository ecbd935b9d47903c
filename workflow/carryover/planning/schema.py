"""The schema of the configuration, composed of a file for each section.

`schemas/config.yaml` lists the sections in their order (`$ref: fetch.yaml`) and `schemas/shared.yaml` holds what they share. A
chapter is a section too: `chapters/<name>/schema.yaml`, which may be left out or null, and which may add its rules to lists
of the shared radius (`x-radius`) and to what a key of another section runs again (`x-extends`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from carryover.planning.yaml_files import read_yaml
from carryover.runtime.errors import BadInput

Schema = dict[str, Any]

WORKFLOW = Path(__file__).resolve().parents[2]


def load_schema(workflow: Path = WORKFLOW) -> Schema:
    """The schema of the configuration, of the files under this folder.

    Raises BadInput where a chapter has the name of a section, or extends a key or a list that is not there.
    """
    schemas = workflow / "schemas"
    schema = {**_read(schemas / "config.yaml"), **_read(schemas / "shared.yaml")}
    schema["properties"] = {name: _included(section, schemas) for name, section in schema["properties"].items()}
    _add_methods(schema, {path.stem: _read(path) for path in sorted((schemas / "methods").glob("*.yaml"))})
    for path in sorted((schemas / "tasks").glob("*.yaml")):
        schema["properties"]["tasks"]["properties"][path.stem] = _task(_read(path), schema["$defs"]["task"])
    for path in sorted((workflow / "chapters").glob("*/schema.yaml")):
        _add_chapter(schema, path.parent.name, _read(path))
    return schema


def method_files(method: str) -> list[str]:
    """The names of the files that a method writes into a model's directory.

    Raises BadInput where there is no such method.
    """
    return list(_files_of(method))


@cache  # asked several times for each of thousands of jobs
def _files_of(method: str) -> tuple[str, ...]:
    path = WORKFLOW / "schemas" / "methods" / f"{method}.yaml"
    if not path.is_file():
        raise BadInput(f"no method {method}: there is no {path.name} in workflow/schemas/methods")
    return tuple(_read(path)["x-files"])


def task_terms(schema: Schema, task: str) -> dict[str, str]:
    """What a task calls what its reports speak of (`x-words` of its schema), by the names that `Words.terms` has."""
    return dict(schema["properties"]["tasks"]["properties"][task].get("x-words", {}))


def looked_up(schema: Schema, root: Schema) -> Schema:
    """A schema with its reference looked up; what stands beside the reference comes first."""
    while "$ref" in schema:
        own = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **own}
    return schema


def chapters_in_use(config: dict[str, Any], workflow: Path = WORKFLOW) -> list[str]:
    """The chapters of a study, in the order of the config: the folders of chapters of which it has a section."""
    there = {path.parent.name for path in (workflow / "chapters").glob("*/schema.yaml")}
    return [name for name in config if name in there and config[name] is not None]


def _read(path: Path) -> Schema:
    return read_yaml(path)


def _included(section: Schema, directory: Path) -> Schema:
    reference = section.get("$ref", "#")
    return section if reference.startswith("#") else _read(directory / reference)


def _add_methods(schema: Schema, methods: dict[str, Schema]) -> None:
    """The names that `method` may have in a recipe of fine-tuning, and the options of each, a mapping of its name."""
    recipe = schema["$defs"]["finetuning"]["properties"]
    recipe["method"]["enum"] = list(methods)
    for name, method in methods.items():
        if method.get("properties"):
            section = {"type": "object", "additionalProperties": False, "default": {}, "x-when": {"method": name}, **method}
            recipe[name] = {keyword: value for keyword, value in section.items() if keyword != "x-files"}


def _task(own: Schema, shared: Schema) -> Schema:
    """The section of a task: the keys that every task has, with what its own file says of them, then its own."""
    keys = {name: {**key, **own.get("properties", {}).get(name, {})} for name, key in shared["properties"].items()}
    return {**shared, **own, "properties": {**keys, **{k: v for k, v in own.get("properties", {}).items() if k not in keys}}}


def _add_chapter(schema: Schema, name: str, chapter: Schema) -> None:
    """A section that is on where it is there, and what it runs again where shared keys change."""
    if name in schema["properties"]:
        raise BadInput(f"schema: the chapter {name} has the name of a section")
    radius, extends = chapter.pop("x-radius", {}), chapter.pop("x-extends", {})
    schema["properties"][name] = {**chapter, "type": ["object", "null"]}
    for entry, rules in radius.items():
        schema["x-radius"][entry] = [*schema["x-radius"].get(entry, ()), *rules]
    for place, rules in extends.items():
        key = at(schema, place, f"schema: the chapter {name} extends")
        key["x-also"] = [*key.get("x-also", ()), *rules]


def at(schema: Schema, place: str, what: str = "schema:") -> Schema:
    """The schema of the key at a dotted place (`finetune.runs.*.seeds`), the one that all places with its definition share."""
    inner = schema
    for part in place.split("."):
        inner = looked_up(inner, schema)
        others = inner.get("items", inner.get("additionalProperties"))
        found = inner.get("properties", {}).get(part, others if part == "*" else None)
        if not isinstance(found, dict):
            raise BadInput(f"{what} {place}, which is no key")
        inner = found
    return inner


READ = {"read", "read_evaluation", "read_training"}  # what a key of a task runs again that says how its files are read
SOURCES = ("evaluation", "training", "train_languages")


def reading_options(schema: Schema, config: dict[str, Any], task: str, splits: tuple[str, ...], language: str) -> dict[str, Any]:
    """What of a task's section says how rows of these splits are read; of a list of languages, whether this one is in it."""
    half = {"read", "read_training" if splits == ("train",) else "read_evaluation"}
    keys, section = schema["properties"]["tasks"]["properties"][task]["properties"], config["tasks"][task]
    chosen = {name: section[name] for name, key in keys.items() if half & set(key.get("x-runs", ())) and name not in SOURCES}
    chosen = {name: language in value if _lists_languages(keys[name]) else value for name, value in chosen.items()}
    return {**chosen, "expected_rows": {split: section["expected_rows"][split] for split in splits}}


def encoding_options(schema: Schema, config: dict[str, Any], task: str, view: str) -> dict[str, Any]:
    """What of a task's section says how a row becomes input; a name that chooses from a mapping beside it, as what it chooses.

    The seed of shuffling goes with the view that it is for.
    """
    keys, section = schema["properties"]["tasks"]["properties"][task]["properties"], config["tasks"][task]
    left_out = {name for name, key in keys.items() if READ & set(key.get("x-runs", ()))} | {*SOURCES, "expected_rows"}
    chosen = {name: value for name, value in section.items() if name not in left_out}
    for name, key in keys.items():
        mapping = next((place.split(".")[-1] for place in key.get("x-names", ()) if place.startswith(f"tasks.{task}.")), None)
        if mapping and name in chosen:
            chosen[name] = section[mapping][chosen[name]]
            chosen.pop(mapping, None)
    if "shuffle_seed" in chosen and view != "shuffled":
        chosen["shuffle_seed"] = None
    return chosen


def text_of_models(schema: Schema, config: dict[str, Any], task: str) -> dict[str, Any]:
    """What a user of models that were trained on a task has to know of their text: `prompt` (template and labels, where the task
    has them) and the names of the files with `training` and `test` text."""
    options, section = encoding_options(schema, config, task, "full"), config["tasks"][task]
    prompt = {name: options[name] for name in ("template", "labels") if name in options}
    return {"prompt": prompt, "training": section["training"], "test": section["evaluation"]}


def _lists_languages(key: Schema) -> bool:
    return key.get("items") == {"$ref": "#/$defs/language"}
