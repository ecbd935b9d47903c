"""The study's configuration: checked against its schema, with defaults filled in."""

from __future__ import annotations

import copy
import math
from typing import Any

import jsonschema

from carryover.planning.config_errors import FORMATS, describe
from carryover.planning.references import check_references
from carryover.planning.schema import looked_up
from carryover.runtime.errors import BadInput


def resolve(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in.

    Raises BadInput with the first problem: an unknown key and the nearest known one, a value out of bounds or of another
    type, a name that does not exist.
    """
    _check_plain(config, ())
    validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    for error in sorted(validator.iter_errors(config), key=lambda error: len(error.absolute_path)):
        raise BadInput(f"config: {describe(error)}")
    resolved = _fill(copy.deepcopy(config), schema, schema)
    check_references(resolved, schema)
    return resolved


def _check_plain(value: Any, place: tuple[str, ...]) -> None:
    """Keys are texts and numbers are finite, which a JSON schema cannot ask for."""
    where = ".".join(place)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"config: {where}: {value} is no number that can be used")
    for key, item in value.items() if isinstance(value, dict) else ():
        if not isinstance(key, str):
            raise BadInput(f"config: {where + '.' if where else ''}{key}: YAML reads this key as {key!r}: write it in quotes")
        _check_plain(item, (*place, key))
    for number, item in enumerate(value if isinstance(value, list) else ()):
        _check_plain(item, (*place, str(number)))


def _fill(value: Any, schema: dict[str, Any], root: dict[str, Any], partial: bool = False) -> Any:
    """Defaults at every depth; what is in a mapping marked `x-partial` overrides another mapping, and gets none.

    A whole number that was written as 4.0 becomes 4: jsonschema takes both for integers, Python's slices only one.
    """
    schema = looked_up(schema, root)
    partial = partial or schema.get("x-partial", False)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        missing = {name: copy.deepcopy(inner["default"]) for name, inner in properties.items() if "default" in inner}
        filled = value if partial else {**value, **{name: one for name, one in missing.items() if name not in value}}
        return {name: _fill(item, properties.get(name, others), root, partial) for name, item in filled.items()}
    if isinstance(value, list):
        return [_fill(item, schema.get("items", {}), root, partial) for item in value]
    if isinstance(value, float) and "integer" in schema.get("type", ()):
        return int(value)
    return value


def recipe_of(config: dict[str, Any], variant: str) -> dict[str, Any]:
    """The recipe of a variant: the study's, with what the variant overrides, and of the methods' options those of its own."""
    recipe = dict(config["finetune"]["recipe"])
    for name, value in config["finetune"]["variants"][variant].items():
        recipe[name] = {**recipe[name], **value} if isinstance(value, dict) else value
    return {name: value for name, value in recipe.items() if not isinstance(value, dict) or name == recipe["method"]}
