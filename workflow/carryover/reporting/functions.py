"""The functions that chapters declare, as `module.function` of the chapter's folder: named in a rule's key, and found there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from carryover.runtime.errors import BadInput


def parts(functions: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The modules of these functions by chapter, as a rule names them in its key (`carryover.runtime.parts`)."""
    names = {f"{chapter}.{function.split('.')[0]}" for chapter, named in functions.items() for function in named}
    return {"chapters": sorted(names)}


def function(modules: Mapping[str, ModuleType], chapter: str, name: str) -> Callable[..., Any]:
    """The function `module.function` of a chapter, of the modules that `carryover.runtime.parts.load` gave."""
    module, _, attribute = name.partition(".")
    found = getattr(modules[f"chapters.{chapter}.{module}"], attribute, None)
    if not callable(found):
        raise BadInput(f"chapter {chapter}: there is no function {name}")
    return found
