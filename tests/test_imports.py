"""Imports go one way: chapters use the library and never each other, and a package uses those below it alone."""

import ast
from pathlib import Path

import pytest

from study_runner import PROJECT

WORKFLOW = PROJECT / "workflow"
# From the bottom to the top; packages that stand together do not use each other.
LAYERS = [
    {"carryover.runtime"},
    {"carryover.planning"},
    {"carryover.data"},
    {"carryover.models", "carryover.metrics"},
    {"carryover.methods", "carryover.tasks", "carryover.answers"},
    {"carryover.evaluation", "carryover.inspection", "carryover.training"},
    {"carryover.analysis"},
    {"carryover.reporting"},
    {"chapters"},
    {"tools", "scripts"},
]
MODULES = sorted(path for folder in ("carryover", "chapters", "scripts", "tools") for path in (WORKFLOW / folder).rglob("*.py"))


def package_of(name: str) -> str:
    """The package that a module belongs to: the second part of the library's, the first of all others."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "carryover" else parts[0]


def imported(path: Path) -> set[str]:
    """The modules of this project that a file imports, wherever the statement stands."""
    here = list(path.relative_to(WORKFLOW).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1], *filter(None, [node.module])] if node.level else [node.module]
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return {name for name in names if name.split(".")[0] in ("carryover", "chapters", "tools", "scripts")}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(WORKFLOW).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_a_module_imports_only_from_below(path):
    package = package_of(module_of(path))
    if package == "carryover":
        assert not imported(path)  # `import carryover` loads nothing else
        return
    depth = next(depth for depth, packages in enumerate(LAYERS) if package in packages)
    allowed = {package}.union(*LAYERS[:depth])
    beyond = {name for name in imported(path) if package_of(name) not in allowed}
    assert not beyond, f"{module_of(path)} imports {sorted(beyond)}"


@pytest.mark.parametrize("path", sorted((WORKFLOW / "chapters").rglob("*.py")), ids=module_of)
def test_no_chapter_imports_another(path):
    own = module_of(path).split(".")[1:2]
    others = {name for name in imported(path) if name.startswith("chapters.") and name.split(".")[1:2] != own}
    assert not others, f"{module_of(path)} imports {sorted(others)}"


def test_a_script_imports_its_own_chapter_alone():
    """Shared scripts name none: what they call of chapters is loaded by the names of their declarations."""
    for path in (WORKFLOW / "scripts").glob("*.py"):
        chapters = {name.split(".")[1] for name in imported(path) if name.startswith("chapters.")}
        assert all(path.stem.startswith(f"{chapter}_") for chapter in chapters), path.name


def test_every_package_has_its_layer():
    there = {package_of(module_of(path)) for path in MODULES if path.name != "__init__.py"}
    assert there <= set().union(*LAYERS)
