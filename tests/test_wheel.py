"""The library as a package of its own: built, installed into an empty environment, and used as the README shows it."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from study_runner import PROJECT, clone

pytestmark = pytest.mark.slow
EXTRAS = {
    "fetch",
    "gguf",
    "hugging_face",
    "mini",
    "own_tokenizer",
    "parity",
    "xnli",
}  # modules of the library that need one of the wheel's extras
WITH_EXTRAS = {"reporting"}  # packages, likewise
EVERY_MODULE = """
import importlib, pkgutil, sys
import carryover
left_out = set(sys.argv[1:])
for module in pkgutil.walk_packages(carryover.__path__, "carryover."):
    if not left_out & set(module.name.split(".")):
        importlib.import_module(module.name)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source = clone(tmp_path_factory.mktemp("source") / "carryover")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".", cwd=source)
    (built,) = (source / "dist").glob("carryover-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that has the wheel and what it asks for, and nothing else."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True)
    run(place / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=place)
    return place / "bin/python"


def test_the_wheel_holds_the_typed_library_and_nothing_of_the_pipeline(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "carryover/py.typed" in names and "carryover/models/gpt2.py" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"carryover"}


def test_the_readme_s_snippet_runs_with_the_installed_library(python, tmp_path):
    (snippet,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.S)
    (tmp_path / "snippet.py").write_text(snippet, encoding="utf-8")
    shown = run(python, "snippet.py", cwd=tmp_path)
    assert re.fullmatch(r"loss \d+\.\d+ -> \d+\.\d+\naccuracy 0\.\d+ \[0\.\d+, 0\.\d+\]\n", shown), shown


def test_every_module_that_needs_no_extra_can_be_imported(python, tmp_path):
    run(python, "-c", EVERY_MODULE, *EXTRAS, *WITH_EXTRAS, cwd=tmp_path)
