"""The key of a rule: what decides whether its jobs run again.

A key is a canonical JSON string of the rule's slice of the config and of a fingerprint of the code that it runs: its
script, the parts that the slice names (`carryover.runtime.parts`) and everything that they import from this library,
transitively. Comments, docstrings, formatting, line endings, the place of the checkout and the Python version do not count;
relative imports, imports inside functions or by `import_module("name")`, package `__init__` files and data files declared in
a module as `DATA_FILES` do. An import by a computed name is refused: its code would be in no key.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from carryover.runtime import parts
from carryover.runtime.errors import BadInput

LIBRARY = Path(__file__).resolve().parents[2]
# What imports a module by its name, and the modules that hold it: `getattr` could take it out of them.
MODULES = ("importlib", "importlib.util", "importlib.machinery", "runpy")
IMPORTING = re.compile(r"(.*\.)?(import_module|__import__)|importlib|importlib\.(util|machinery|reload)\b.*|runpy\b.*")
NAMES_THEM = re.compile(rb"import_module|__import__|importlib|runpy|[^\0-\x7f]")  # other letters may be forms of these
RUNTIME = Path("carryover", "runtime")  # what surrounds a job and changes no result: in no key


def make_key(script: str | Path, config: Any) -> str:
    """The key of a rule that runs `script` with this slice of the config, and with the parts that it names in `parts`.

    Raises BadInput for a part that is not there and for an import by a computed name.
    """
    named = parts.modules(config.get("parts", {}) if isinstance(config, dict) else {})
    used = tuple(sorted(LIBRARY / parts.file_of(module) for module in named.values()))
    return canonical({"code": fingerprint(Path(script).resolve(), LIBRARY, used), "config": config})


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces. Raises TypeError for what JSON cannot hold and ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@lru_cache
def fingerprint(script: Path, library: Path = LIBRARY, used: tuple[Path, ...] = ()) -> str:
    """The first 16 hexadecimal digits of a SHA-256 over the script, its closure within `library` and that of the files `used`.

    A file of the library counts under its name, the script and its data files by their content alone.
    """
    digest = hashlib.sha256(_content(script).encode())
    for path in closure(script, library, used):
        name = path.relative_to(library).as_posix() if path.is_relative_to(library) else path.name
        digest.update(f"\0{name}\0{_content(path)}".encode())
    return digest.hexdigest()[:16]


def closure(script: Path, library: Path = LIBRARY, used: tuple[Path, ...] = ()) -> list[Path]:
    """The library's files that `script` and the files `used` run or read, sorted, transitively; not the script itself.

    Raises BadInput for an import by a computed name, and for a declared data file that is not there.
    """
    found: set[Path] = set()
    for path in used:  # with the packages that they lie in, which Python runs first
        packages = [folder / "__init__.py" for folder in path.parents if folder.is_relative_to(library)]
        found |= {path, *filter(Path.is_file, packages)}
    waiting = [script, *(path for path in found if path.suffix == ".py")]
    while waiting:
        path = waiting.pop()
        for needed in (*_imported(path, library), *_declared(path)):
            if needed not in found:
                found.add(needed)
                waiting += [needed] if needed.suffix == ".py" else []
    return sorted(found)


def read_ahead(library: Path = LIBRARY) -> None:
    """Parses every module once, for the forks of this process: they read each file as it is then, and parse what is new."""
    for path in sorted(library.rglob("*.py")):
        with suppress(BadInput, SyntaxError):  # said by the key that needs it
            _module(path, path.read_bytes())


class _Module(NamedTuple):
    """What of a module's source counts: its tree, what its statements import (level, module, names), what its calls do, and
    its data files as it declares them."""

    tree: str
    statements: tuple[tuple[int, str, tuple[str, ...]], ...]
    called: frozenset[str]
    declared: tuple[str, ...]


@cache
def _module(path: Path, source: bytes) -> _Module:
    """Of each text once: the files of a program that lives on may change, as they do under dry runs in forks of one process."""
    tree = ast.parse(source, filename=str(path))
    nodes = list(ast.walk(tree))
    statements: list[tuple[int, str, tuple[str, ...]]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            statements += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            statements.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    called = _named_in_calls(path, nodes) if NAMES_THEM.search(source) else frozenset()
    return _Module(canonical(_walk(tree)), tuple(statements), called, _data_files(tree))


@lru_cache
def _content(path: Path) -> str:
    """What of a file counts: the tree of a module, the bytes of a data file, of text without its line endings."""
    content = path.read_bytes()
    if path.suffix == ".py":
        return _module(path, content).tree
    return hashlib.sha256(content if b"\0" in content else content.replace(b"\r\n", b"\n")).hexdigest()


def _walk(node: Any) -> Any:
    """A tree of lists and strings that is the same on every Python version and blind to docstrings.

    Fields that are empty are left out: newer versions add fields, always empty for older syntax. Constants are in ASCII,
    since which characters `repr` escapes follows each version's Unicode tables.
    """
    if isinstance(node, ast.AST):
        fields = []
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if isinstance(node, ast.JoinedStr):
                value = _joined(value)
            if name in ("type_comment", "kind") or value is None or value == []:
                continue
            fields.append([name, _walk(value)])
        return [type(node).__name__, sorted(fields, key=lambda field: field[0])]
    if isinstance(node, list):
        return [_walk(item) for item in node]
    return f"{type(node).__name__}:{node!a}"


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string without empty text, which Python 3.12 puts after a nested format and others do not."""
    return [part for part in parts if not (isinstance(part, ast.Constant) and part.value == "")]


@lru_cache
def _imported(path: Path, library: Path) -> set[Path]:
    """The files of the library that the statements of `path` import, wherever they stand."""
    if path.suffix != ".py":
        return set()
    module = _module(path, path.read_bytes())
    names = set(module.called)
    here = list(path.relative_to(library).parent.parts) if path.is_relative_to(library) else []
    for level, name, taken in module.statements:
        full = ".".join([*(here[: len(here) - level + 1] if level else []), *([name] if name else [])])
        names |= {full, *(f"{full}.{one}" for one in taken)}
    files = {file for name in names for file in _files(library, name)}
    return {file for file in files - {path} if not file.is_relative_to(library / RUNTIME)}


@cache
def _files(library: Path, module: str) -> tuple[Path, ...]:
    """The files of the library that an import of this name runs: the packages that it lies in, and its own."""
    package, _, name = module.rpartition(".")
    folder = library.joinpath(*package.split("."))
    if not name.isidentifier() or not folder.is_dir():
        return ()
    above = _files(library, package) if package else ()
    return (*above, *filter(Path.is_file, (folder / f"{name}.py", folder / name / "__init__.py")))


def _named_in_calls(path: Path, nodes: Sequence[ast.AST]) -> frozenset[str]:
    """The modules that `path` imports by a call with a constant name: `import_module("a.b")`, `importlib.util.find_spec("a")`.

    nodes: its tree from the outside to the inside. Raises BadInput for every other use of what imports by name (`IMPORTING`),
    under whatever alias.
    """
    bound: dict[str, str] = {}  # what a name stands for, of those that import statements bind
    for node in nodes:
        if isinstance(node, ast.Import):
            bound.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            bound.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    names: set[str] = set()
    understood: set[ast.AST] = set()
    for node in nodes:  # from the outside to the inside: a call before its function, `a.b.c` before `a.b`
        if isinstance(node, ast.Attribute) and _dotted(node.value, bound) in MODULES:
            understood.add(node.value)
        if isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1 and _imports_by_name(node.func, bound):
            (name,) = node.args
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith("."):
                names.add(name.value)
                understood.add(node.func)
        if isinstance(node, ast.Name | ast.Attribute) and node not in understood and _imports_by_name(node, bound):
            raise BadInput(
                f"{path}, line {node.lineno}: an import by a computed name, whose code would be in no key; name the part in "
                "the rule's key and load it by carryover.runtime.parts"
            )
    return frozenset(names)


def _imports_by_name(node: ast.expr, bound: Mapping[str, str]) -> bool:
    return bool(IMPORTING.fullmatch(_dotted(node, bound)))


def _dotted(node: ast.expr, bound: Mapping[str, str]) -> str:
    """The full name that an expression stands for: `importlib.util.find_spec` of `util.find_spec`."""
    if isinstance(node, ast.Name):
        return bound.get(node.id, node.id)
    return f"{_dotted(node.value, bound)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _name(node: ast.AST | None) -> str:
    """The last part of a name: `b` of `b` and of `a.b`."""
    return getattr(node, "attr", getattr(node, "id", ""))


def _data_files(tree: ast.Module) -> tuple[str, ...]:
    """The names of the data files that a module declares: `DATA_FILES = ("name", ...)`, relative to the module."""
    names: list[str] = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and "DATA_FILES" in map(_name, targets):
            names.extend(ast.literal_eval(node.value))
    return tuple(names)


def _declared(path: Path) -> set[Path]:
    """The data files that a file declares, if it is a module. Raises BadInput for one that is not there."""
    names = _module(path, path.read_bytes()).declared if path.suffix == ".py" else ()
    files = {(path.parent / name).resolve() for name in names}
    if missing := sorted(str(file) for file in files if not file.is_file()):
        raise BadInput(f"{path}: DATA_FILES names {missing[0]}, which is not there")
    return files
