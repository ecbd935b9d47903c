"""What the keys of a configuration say of one another, as the schema declares it.

- `x-names` (of a text or a list of texts): each is a name in one of these places, or in a column of a table
  (`[languages, {file: data/throughput.csv, column: machine}]`), or one that is built in (`x-names-also`);
- `x-not-names` (of a mapping): no name in it is one in these places, or one that is built in (`x-not-names-also`);
- `x-used-in` (of a mapping): the places that choose of its entries: those that nobody chooses are not looked at;
- `x-needs` (of a mapping): the keys that it needs by the value of one (`{source: {fetch: [weights], directory: [path]}}`);
  those that only other values need would do nothing: they are left out, null, or at their default;
- `x-when` (of a key): the values of its neighbours without which it does nothing, and so must not be given. In a mapping that
  overrides another (`x-partial` names its place), what it leaves out is the other's;
- `x-brings` (of a mapping): by the value of a key, the section in which no entry may have this one's name, since it brings one;
- `x-one-of` (of a mapping): exactly one of these keys is given;
- `x-at-most` (of a number): it is no larger than the key beside it of this name;
- `x-divides` (of a number): the key beside it of this name is a multiple of it.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from carryover.planning.schema import WORKFLOW, Schema, looked_up
from carryover.runtime.errors import BadInput

Place = tuple[str, ...]


def check_references(config: Mapping[str, Any], schema: Schema, directory: Path = WORKFLOW.parent) -> None:
    """Holds a resolved configuration to what the schema says of its keys together; paths of tables are under `directory`.

    Raises BadInput with the first key that does not hold.
    """

    def known(source: str | dict[str, str]) -> list[str]:
        if isinstance(source, str):
            return [
                name for found in _values(config, source.split(".")) for name in ([found] if isinstance(found, str) else found)
            ]
        with (directory / source["file"]).open(encoding="utf-8", newline="") as file:
            return list(dict.fromkeys(row[source["column"]] for row in csv.DictReader(file)))

    _check(config, schema, schema, (), known)
    for place, value, inner in _overriding(config, schema, schema, ()):
        _check_overrides(place, value, inner, config)


def _check(value: Any, schema: Schema, root: Schema, place: Place, known: Callable[[Any], list[str]]) -> None:
    schema, where = looked_up(schema, root), ".".join(place)
    if sources := schema.get("x-names"):
        names = [*schema.get("x-names-also", ()), *(name for source in sources for name in known(source))]
        for name in [value] if isinstance(value, str) else value or ():
            if name not in names:
                hint = f"; {schema['x-hint']}" if "x-hint" in schema else ""
                raise BadInput(f"config: {where}: unknown name {name!r}; {nearest(name, names)}{hint}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, item in enumerate(value):
            _check(item, schema["items"], root, (*place, str(number)), known)
    if not isinstance(value, dict):
        return
    for source in schema.get("x-not-names", ()):
        for name in value:
            if name in known(source):
                raise BadInput(f"config: {where}.{name}: has the name of one in {source}; give it another")
    for name in schema.get("x-not-names-also", ()):
        if name in value:
            raise BadInput(f"config: {where}.{name}: this name is built in; give it another")
    for key, cases in schema.get("x-brings", {}).items():
        if (section := cases.get(value.get(key))) and place[-1] in known(section):
            raise BadInput(f"config: {where}: {key} {value[key]} brings one of its own, and {section} has one of this name too")
    if (either := schema.get("x-one-of")) and sum(value.get(name) is not None for name in either) != 1:
        raise BadInput(f"config: {where}: needs one of {' and '.join(either)}, and not both")
    skipped = set(_not_needed(value, schema, where))
    if "x-used-in" in schema:
        skipped |= set(value) - {name for user in schema["x-used-in"] for name in known(user)}
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        inner = properties.get(name, others)
        if name in skipped or not isinstance(inner, dict):
            continue
        _check_neighbours(name, item, inner, value, place)
        _check(item, inner, root, (*place, name), known)


def _not_needed(value: Mapping[str, Any], schema: Schema, where: str) -> Iterator[str]:
    """The keys of a mapping that other values of the one that it goes by would need; all that it needs itself are there."""
    for key, cases in schema.get("x-needs", {}).items():
        needed = cases.get(value.get(key), ())
        for name in needed:
            if value.get(name) is None:
                raise BadInput(f"config: {where}: {key} {value[key]} needs {name}")
        for name in sorted(unused := unused_keys(value, schema)):
            if value[name] not in (None, schema.get("properties", {}).get(name, {}).get("default")):
                raise BadInput(
                    f"config: {where}.{name}: does nothing where {key} is {value[key]}; leave it out, or set it to null"
                )
        yield from unused


def unused_keys(value: Mapping[str, Any], schema: Schema) -> set[str]:
    """The keys of a mapping that do nothing beside its other values (`x-needs`)."""
    found: set[str] = set()
    for key, cases in schema.get("x-needs", {}).items():
        found |= {name for names in cases.values() for name in names} - set(cases.get(value.get(key), ()))
    return found & set(value)


def _overriding(value: Any, schema: Schema, root: Schema, place: Place) -> Iterator[tuple[Place, Mapping[str, Any], Schema]]:
    """The mappings that override another one, with their places and schemas."""
    schema = looked_up(schema, root)
    if isinstance(value, dict) and "x-partial" in schema:
        yield place, value, schema
        return
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(inner := properties.get(name, others), dict):
            yield from _overriding(item, inner, root, (*place, name))


def _check_overrides(place: Place, value: Mapping[str, Any], schema: Schema, config: Mapping[str, Any]) -> None:
    (overridden,) = _values(config, schema["x-partial"].split("."))
    for name in value:
        for key, wanted in schema["properties"][name].get("x-when", {}).items():
            if (has := {**overridden, **value}[key]) != wanted:
                raise BadInput(f"config: {'.'.join((*place, name))}: does nothing where {key} is {has}; leave it out")


def _check_neighbours(name: str, item: Any, schema: Schema, neighbours: Mapping[str, Any], place: Place) -> None:
    where = ".".join((*place, name))
    if (other := schema.get("x-at-most")) and other in neighbours and item > neighbours[other]:
        raise BadInput(f"config: {where}: {item} is more than {other}, which is {neighbours[other]}")
    if (other := schema.get("x-divides")) and other in neighbours and neighbours[other] % item:
        raise BadInput(f"config: {where}: {item} does not divide {other}, which is {neighbours[other]}")


def _values(value: Any, place: list[str]) -> Iterator[Any]:
    """What stands at a dotted place, where `*` is every entry of a list or mapping: nothing where a part is not there."""
    if not place:
        if value is not None:
            yield value
        return
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in entries if place[0] == "*" else [value[place[0]]] if isinstance(value, dict) and place[0] in value else ():
        yield from _values(inner, place[1:])


def nearest(name: Any, known: list[str]) -> str:
    """What was probably meant by a name that is not known."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
