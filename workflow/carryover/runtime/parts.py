"""The parts of a job that its rule names: the model's code, the method, the task, the chapter's functions.

A rule names them in its key's slice of the config, `parts={"models": "gpt2", "methods": "lora"}`; they are in its key, with
all that they import, and the script gets them from here. A part is registered by the name of its file. This is the only
place that imports by a computed name (`carryover.planning.keys` refuses every other).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

from carryover.runtime.errors import BadInput

LIBRARY = Path(__file__).resolve().parents[2]
CHAPTERS = "chapters"  # lie beside the package carryover, a folder each: "transfer.tables" is chapters.transfer.tables

Names = Mapping[str, str | list[str]]


def load(parts: Names) -> dict[str, ModuleType]:
    """The modules by what they were named for: `{"models": "gpt2"}` gives `{"models": <carryover.models.gpt2>}`.

    Of several of one kind each is under its kind and name: `{"tasks": ["nli", "tagging"]}` gives `tasks.nli` and
    `tasks.tagging`. Raises BadInput for a part that is not there.
    """
    return {name: import_module(module) for name, module in modules(parts).items()}


def modules(parts: Names) -> dict[str, str]:
    """The full names of the modules of `load`, of which none is imported. Raises BadInput for a part that is not there."""
    named = {kind: name for kind, name in parts.items() if isinstance(name, str)}
    named |= {f"{kind}.{name}": name for kind, names in parts.items() if not isinstance(names, str) for name in names}
    found = {}
    for label, name in named.items():
        kind = label.removesuffix(f".{name}")
        module = f"{kind}.{name}" if kind == CHAPTERS else f"carryover.{kind}.{name}"
        if not (LIBRARY / file_of(module)).is_file():
            raise BadInput(_unknown(kind, name))
        found[label] = module
    return found


def file_of(module: str) -> Path:
    """Where a module lies in the library: `carryover/models/gpt2.py`."""
    return Path(*module.split(".")).with_suffix(".py")


def _unknown(kind: str, name: str) -> str:
    folder = LIBRARY / (kind if kind == CHAPTERS else f"carryover/{kind}")
    there = sorted(".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("*.py"))
    there = [part for part in there if not part.endswith("__init__")]
    close = get_close_matches(name, there, n=1)
    place = folder.relative_to(LIBRARY.parent)
    if not there:
        return f"no part {name!r}: there is no folder {place}"
    return f"no part {name!r} in {place}; " + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(there)}")
