"""What is wrong with a value of the configuration, in one line, and the formats that the schema names."""

from __future__ import annotations

import datetime
import difflib
import string
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from carryover.runtime.errors import BadInput

FORMATS = jsonschema.FormatChecker(formats=())

WORDS = {"object": "a mapping", "array": "a list", "string": "a text", "number": "a number", "integer": "a whole number"}
WORDS |= {"boolean": "true or false", "null": "null"}


@FORMATS.checks("url", raises=BadInput)
def _is_safe_url(url: Any) -> bool:
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadInput("over plain http anyone can change the file; use https or a mirror")
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise BadInput("a login in it would be shown in the report; put it into ~/.netrc")
    return True


@FORMATS.checks("template", raises=BadInput)
def _is_template(text: Any) -> bool:
    """A prompt of a premise and then a hypothesis, each once, and of nothing else in braces."""
    try:
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError as problem:
        raise BadInput(f"not a template ({problem}): write {{{{ and }}}} for braces") from problem
    fields = [field for _, field, _, _ in parts]
    for name in ("premise", "hypothesis"):
        if fields.count(name) != 1:
            raise BadInput(f"a template has {{{name}}} exactly once; this one {fields.count(name)} times: {text!r}")
    if unknown := [field for field in fields if field not in ("premise", "hypothesis")]:
        raise BadInput(f"a template has {{premise}} and {{hypothesis}}, not {{{unknown[0]}}}")
    if fields != ["premise", "hypothesis"]:
        raise BadInput(f"a template has {{premise}} before {{hypothesis}}: {text!r}")
    if formatted := [field for _, field, spec, conversion in parts if spec or conversion]:
        raise BadInput(f"a template takes {{{formatted[0]}}} as it stands, without a format: {text!r}")
    return True


@FORMATS.checks("share or count", raises=BadInput)
def _is_share_or_count(value: Any) -> bool:
    """Only a number that is written with a point is a share: 1 is one row, 1.0 all of them."""
    if type(value) is int and value == 1:
        raise BadInput("1 is a single row")
    return True


def describe(error: jsonschema.ValidationError) -> str:
    """One line: the place, what is wrong with it, and what was probably meant."""
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        return _unknown_key(error, place)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{place + '.' if place else ''}{missing}: is not given"
    hints = [error.schema["x-hint"]] if "x-hint" in error.schema else []
    return f"{place or '(top level)'}: {'; '.join([_problem(error), *hints])}"


def _unknown_key(error: jsonschema.ValidationError, place: str) -> str:
    known = list(error.schema.get("properties", {}))
    unknown = str(next(key for key in error.instance if key not in known))
    near = difflib.get_close_matches(unknown, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
    if unknown.partition(".")[0] in known:
        hint = f"keys are nested: {{{': {'.join(unknown.split('.'))}: ...{'}' * (unknown.count('.') + 1)}"
    return f"unknown key {place + '.' if place else ''}{unknown}; {hint}"


def _problem(error: jsonschema.ValidationError) -> str:
    value, wanted = error.instance, error.validator_value
    if error.cause is not None:
        return str(error.cause)
    if error.validator == "type":
        return _of_another_type(value, [wanted] if isinstance(wanted, str) else list(wanted))
    if error.validator == "anyOf":
        if all(inner.validator == "type" for inner in error.context):
            return _of_another_type(value, [kind["type"] for kind in wanted])
        return f"{value!r} is out of bounds"
    if error.validator == "enum":
        near = difflib.get_close_matches(str(value), [str(one) for one in wanted], n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(map(str, wanted))}"
        return f"{value!r} is none of the choices; {hint}"
    if error.validator == "pattern":
        return f"{value!r} is not {error.schema.get('x-form', wanted)}"
    if error.validator == "uniqueItems":
        return f"{next(one for one in value if value.count(one) > 1)!r} stands in the list twice"
    return error.message


def _of_another_type(value: Any, wanted: list[str]) -> str:
    """A value of another type than the wanted ones, and how YAML came to read it so."""
    words = " or ".join(WORDS[one] for one in wanted)
    if value is None:
        return f"nothing is given where {words} is needed"
    problem = f"{value!r} is not {words}"
    if isinstance(value, str) and {"number", "integer"} & set(wanted):
        try:
            float(value)
        except ValueError:
            return problem
        slip = "YAML reads 1e-4 as text: write 1.0e-4" if "e" in value.lower() else "write it without quotes"
        return f"{problem} ({slip})"
    if "array" in wanted and not isinstance(value, dict):
        return f"{problem}: write [{value}]"
    if "string" in wanted and isinstance(value, bool):
        return f"{problem} (YAML reads yes, no, on and off as true and false: write it in quotes)"
    if "string" in wanted and isinstance(value, (int, float, datetime.date)):
        return f"{value} is not {words}: write it in quotes"
    return problem
