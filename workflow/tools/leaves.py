"""The leaves of a configuration: where each stands, which value to try in its place, and what the schema says it runs again.

In the schema, `x-other` lists values that a leaf is changed to (the first that differs from the present one), `x-with` what of
its neighbours must be changed along with each of them and `x-along` what of other sections. `x-runs` names what runs again
(rules, or names of `x-radius`, which are lists of such); a leaf without its own takes that of the section around it, `x-also`
adds to it, and `x-may` what some places run only. A section with `x-when` is read only where the key beside it has this value,
and what `x-needs` names for other values of a key only is not read.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from carryover.planning.references import unused_keys

Schema = dict[str, Any]


@dataclass(frozen=True)
class Leaf:
    """A place in a config (`finetune.runs.0.seeds`), its place in the schema (`finetune.runs.*.seeds`), and its schema."""

    path: tuple[str | int, ...]
    place: str
    value: Any
    schema: Schema
    declared: tuple[str, ...]

    @property
    def allowed(self) -> tuple[str, ...]:
        """What is declared, and what may run besides."""
        return (*self.declared, *self.schema.get("x-may", ()))

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


def leaves(config: dict[str, Any], schema: Schema) -> Iterator[Leaf]:
    """Every leaf of a resolved config, in its order, and every key that a variant without changes could set."""
    yield from _walk(config, schema, schema, (), (), ())


def schema_leaves(schema: Schema) -> Iterator[tuple[str, Schema, tuple[str, ...]]]:
    """Every leaf of the schema: its place, its own schema, and what it is declared to run."""
    yield from _walk_schema(schema, schema, (), ())


def entered(schema: Schema, root: Schema, declared: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
    """A schema with its reference looked up, and what is declared for it."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **{k: v for k, v in schema.items() if k != "$ref"}}
        return entered(schema, root, declared)
    return schema, (*(schema.get("x-runs", declared)), *schema.get("x-also", ()))


def children(schema: Schema) -> dict[str, Schema]:
    """The schemas inside: by name, and of all others as `*`."""
    inside = dict(schema.get("properties", {}))
    for others in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(others, dict) and "x-other" not in schema:
            inside["*"] = others
    return inside


def _walk(value: Any, schema: Schema, root: Schema, path: tuple, place: tuple, declared: tuple[str, ...]) -> Iterator[Leaf]:
    schema, declared = entered(schema, root, declared)
    inside = children(schema)
    if not inside:
        yield Leaf(path, ".".join(place), value, schema, declared)
    if not inside or value is None:  # or a mapping that is not given
        return
    entries: Iterable[tuple[str | int, Any]] = enumerate(value) if isinstance(value, list) else value.items()
    if schema.get("x-partial") and not value:
        entries = ((name, None) for name in inside)
    unused = unused_keys(value, schema) if isinstance(value, dict) else set()
    if "x-partial" in schema:  # what its options are for must stay: an overlay cannot take the options away
        unused |= {key for name in value for key in inside[name].get("x-when", {})}
    if either := schema.get("x-one-of"):  # what is given in place of another
        unused |= {name for name in either if value.get(name) is None}
    for name, item in entries:
        if name in unused:
            continue
        known = name if name in inside else "*"
        if any(value.get(key) != wanted for key, wanted in inside[known].get("x-when", {}).items()):
            continue  # the options of a method that is not in use
        yield from _walk(item, inside[known], root, (*path, name), (*place, known), declared)


def _walk_schema(schema: Schema, root: Schema, place: tuple[str, ...], declared: tuple[str, ...]) -> Iterator:
    schema, declared = entered(schema, root, declared)
    inside = children(schema)
    if not inside:
        yield ".".join(place), schema, declared
    for name, item in inside.items():
        yield from _walk_schema(item, root, (*place, name), declared)


def expand(names: Iterable[str], radius: dict[str, list[str]]) -> set[str]:
    """The rules that a list of rules and names of `radius` stands for."""
    return {rule for name in names for rule in (expand(radius[name], radius) if name in radius else {name})}


def change(config: dict[str, Any], leaf: Leaf) -> dict[str, Any]:
    """An overlay of `config` that changes this leaf alone, to the first of its other values that differs.

    Its neighbours are named too: a default holds a mapping only where nothing of it is given.
    """
    other = next(other for other in leaf.schema["x-other"] if other != leaf.value)
    along = leaf.schema["x-with"][other] if "x-with" in leaf.schema else {}
    values = {**_at(config, leaf.path[:-1]), **along, leaf.path[-1]: other}
    lists = [depth for depth, part in enumerate(leaf.path) if isinstance(part, int)]
    overlay: Any = values
    if lists:  # an overlay replaces lists whole
        kept, inner = copy.deepcopy(_at(config, leaf.path[: lists[0]])), leaf.path[lists[0] :]
        _at(kept, inner[:-1]).update(values)
        overlay = {leaf.path[lists[0] - 1]: kept}
        above = leaf.path[: lists[0] - 1]
    else:
        above = leaf.path[:-1]
    for part in reversed(above):
        overlay = {part: overlay}
    return {**leaf.schema.get("x-along", {}), **overlay}


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value
