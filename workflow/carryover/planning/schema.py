"""The schema of the configuration, composed of a file for each section.

`schemas/config.yaml` lists the sections in their order (`$ref: fetch.yaml`) and `schemas/shared.yaml` holds what they share. A
chapter is a section too: `chapters/<name>/schema.yaml`, which may be left out or null, and which may add its rules to lists
of the shared radius (`x-radius`) and to what a key of another section runs again (`x-extends`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
    for path in sorted((workflow / "chapters").glob("*/schema.yaml")):
        _add_chapter(schema, path.parent.name, _read(path))
    return schema


def _read(path: Path) -> Schema:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _included(section: Schema, directory: Path) -> Schema:
    reference = section.get("$ref", "#")
    return section if reference.startswith("#") else _read(directory / reference)


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
        while "$ref" in inner:
            inner = schema["$defs"][inner["$ref"].rsplit("/", 1)[-1]]
        others = inner.get("items", inner.get("additionalProperties"))
        found = inner.get("properties", {}).get(part, others if part == "*" else None)
        if not isinstance(found, dict):
            raise BadInput(f"{what} {place}, which is no key")
        inner = found
    return inner
