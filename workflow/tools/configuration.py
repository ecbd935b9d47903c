"""The page of all keys of the configuration, docs/configuration.md, from the schema: `python -m tools.configuration`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from carryover.planning.schema import Schema, load_schema
from tools.leaves import children, entered
from tools.listing import ROOT

PAGE = ROOT / "docs" / "configuration.md"

HEAD = """# Every key of the configuration

Made from `workflow/schemas` by `make configuration`: change it there. In a key, `*` is any name, or a place in a list. Where no
default is given a key must be set, or, where that says so, may be left out. The last column names rules, or the lists of rules at
the end of this page, that run again when the key is changed; every change also writes `results/<study>/config.yaml` again.
[What runs again, and how that is known](reruns.md).
"""

WORDS = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "boolean": "true or false"}


def page(schema: Schema) -> str:
    """The page, as Markdown: a table for each section, then one of the lists of rules."""
    parts, scalars = [HEAD], []
    for name, section in schema["properties"].items():
        needed = name in schema["required"]
        rows = list(_rows(section, schema, (name,), (), needed))
        if entered(section, schema, ())[0].get("type") in ("string", "array"):
            scalars += rows
            continue
        description = entered(section, schema, ())[0]["description"]
        description = description[0].upper() + description[1:] + ("" if description.endswith("?") else ".")
        off = " Off where it is left out or null." if section.get("type") == ["object", "null"] else ""
        parts.append(f"## {name}\n\n{description}{off}\n\n{_table(rows)}")
    parts.insert(1, f"## Keys without a section\n\n{_table(scalars)}")
    lists = "".join(f"| `{name}` | {_names(rules)} |\n" for name, rules in schema["x-radius"].items())
    parts.append(f"## Lists of rules\n\n| list | rules, and lists of them |\n|---|---|\n{lists}")
    return "\n".join(parts)


def _table(rows: list[tuple[str, str, str, str, str]]) -> str:
    head = "| key | meaning | value | default | runs again |\n|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _rows(
    schema: Schema, root: Schema, place: tuple[str, ...], declared: tuple[str, ...], needed: bool
) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each key that holds a value: the key, what it means, what it may be, its default, what runs again."""
    schema, declared = entered(schema, root, declared)
    inside = {} if schema.get("x-partial") else children(schema)
    if not inside or ("*" in inside and len(place) > 1):
        default = "required" if needed else _code(schema["default"]) if "default" in schema else "may be left out"
        cells = (
            schema.get("description", "an entry"),
            _values(schema, root),
            "" if place[-1] == "*" else default,
            _names(declared),
        )
        yield f"`{'.'.join(place)}`", *cells
    for name, inner in inside.items():
        yield from _rows(inner, root, (*place, name), declared, name in schema.get("required", ()))


def _values(schema: Schema, root: Schema) -> str:
    """What a key may be, in words."""
    schema, _ = entered(schema, root, ())
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    if "anyOf" in schema:
        return ", or ".join(_values(one, root) for one in schema["anyOf"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    words = " or ".join(WORDS.get(kind, kind) for kind in kinds if kind != "null")
    if schema.get("additionalProperties"):
        words += " by name"
    if isinstance(items := schema.get("items"), dict) and (inner := _values(items, root)):
        words = words.replace("list", f"list of {inner}")
    bounds = [
        f"{word} {schema[keyword]:g}"
        for keyword, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if keyword in schema
    ]
    if names := schema.get("x-names"):
        named = [f"`{name}`" if isinstance(name, str) else f"{name['column']} of `{name['file']}`" for name in names]
        bounds.append(f"named in {' or '.join(named)}")
    bounds += [f"at most `{schema['x-at-most']}`"] if "x-at-most" in schema else []
    return " ".join([words, *bounds]) + (", or null" if "null" in kinds else "")


def _code(value: object) -> str:
    """A value as it stands in YAML, which reads 5e-05 as a text."""
    return "`" + re.sub(r"(?<![\w.])(\d+)e-", r"\1.0e-", json.dumps(value, ensure_ascii=False)) + "`"


def _names(rules: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in dict.fromkeys(rules))


def main() -> None:
    PAGE.write_text(page(load_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
