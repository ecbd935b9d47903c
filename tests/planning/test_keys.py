"""What makes a job run again: every edit that can change a result, and nothing else."""

import ast
import json
import random
import shutil
from pathlib import Path

import pytest

from carryover.planning import keys
from carryover.planning.keys import canonical, closure, fingerprint, make_key
from carryover.runtime import parts
from carryover.runtime.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "workflow"
SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))

TREE = {
    "script.py": '"""A script."""\nfrom lib import one\n\nprint(one.answer())\n',
    "lib/__init__.py": '"""The library."""\n',
    "lib/one.py": (
        '"""One."""\nfrom lib.two import double\n\n\ndef answer(x: int = 21) -> int:\n    """Says it."""\n'
        "    from lib import late\n\n    return double(x) + late.ZERO\n"
    ),
    "lib/two.py": "from .package import sub\n\n\ndef double(x):\n    return sub.TWO * x\n",
    "lib/late.py": "ZERO = 0\n",
    "lib/package/__init__.py": "from ..deep import *\n",
    "lib/package/sub.py": 'DATA_FILES = ("words.txt",)\nTWO = 2\n',
    "lib/package/words.txt": "one\n",
    "lib/deep.py": "DEEP = 1\n",
    "lib/other.py": "UNRELATED = 1\n",
    "lib/package/neighbour.py": "UNRELATED = 1\n",
}


@pytest.fixture
def key(tmp_path_factory):
    """The fingerprint of the script in a library like TREE, with some files replaced."""

    def make(changes: dict[str, str] | None = None) -> str:
        directory = tmp_path_factory.mktemp("tree")  # a new one each time: fingerprints are remembered by path
        for name, content in {**TREE, **(changes or {})}.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        return fingerprint(directory / "script.py", directory)

    return make


def edit(name: str, old: str, new: str) -> dict[str, str]:
    assert old in TREE[name]
    return {name: TREE[name].replace(old, new)}


NOT_A_CHANGE = {
    "a comment": edit("lib/one.py", "    return", "    # why this is so\n    return"),
    "a docstring edited": edit("lib/one.py", "Says it.", "Says the answer,\n\n    at length."),
    "a docstring removed": edit("lib/one.py", '    """Says it."""\n', ""),
    "a module docstring added": {"lib/late.py": '"""Late."""\n' + TREE["lib/late.py"]},
    "the script's docstring": edit("script.py", "A script.", "Another one."),
    "a package's docstring": {"lib/__init__.py": ""},
    "line breaks and brackets": edit(
        "lib/one.py", "return double(x) + late.ZERO", "return (\n        double(x)\n        + late.ZERO\n    )"
    ),
    "quotes": edit("lib/package/sub.py", '"words.txt"', "'words.txt'"),
    "the notation of a number": edit("lib/one.py", "21", "0x15"),
    "blank lines": {"lib/late.py": "\n\n\nZERO = 0\n\n\n"},
    "Windows line endings": {name: text.replace("\n", "\r\n") for name, text in TREE.items()},
    "a byte order mark": {"lib/late.py": "\ufeff" + TREE["lib/late.py"]},
    "an unrelated module": edit("lib/other.py", "1", "2"),
    "an unrelated module of a package in use": edit("lib/package/neighbour.py", "1", "2"),
    "a new module that nobody imports": {"lib/new.py": "x = 1\n"},
    "a data file that is not declared": {"lib/package/unread.txt": "x\n"},
}

A_CHANGE = {
    "the script": edit("script.py", "print(", "print(1, "),
    "an imported module": edit("lib/one.py", "double(x) +", "double(x) -"),
    "a default": edit("lib/one.py", "21", "22"),
    "the type of a constant": edit("lib/one.py", "21", "21.0"),
    "an operator": edit("lib/two.py", "*", "+"),
    "a module imported in turn": edit("lib/two.py", "TWO * x", "TWO * x * 1"),
    "a module imported in a function": edit("lib/late.py", "0", "1"),
    "a relatively imported module": edit("lib/package/sub.py", "TWO = 2", "TWO = 3"),
    "the library's __init__": {"lib/__init__.py": "import sys\n"},
    "a package's __init__": {"lib/package/__init__.py": TREE["lib/package/__init__.py"] + "x = 1\n"},
    "a module that a package's __init__ imports relatively": edit("lib/deep.py", "1", "2"),
    "a declared data file": edit("lib/package/words.txt", "one", "two"),
    "a data file declared with its type": {
        "lib/late.py": 'ZERO = 0\nDATA_FILES: tuple[str, ...] = ("package/words.txt", "other.py")\n'
    },
    "a module imported by its name": {"lib/late.py": 'ZERO = 0\n__import__("importlib").import_module("lib.other")\n'},
    "a module imported by its name under an alias": {
        "lib/late.py": 'ZERO = 0\nfrom importlib import import_module as take\n\ntake("lib.other")\n'
    },
    "a module looked for by its name": {
        "lib/late.py": 'ZERO = 0\nimport importlib.util\n\nimportlib.util.find_spec("lib.other")\n'
    },
    "a string that is no docstring": edit("lib/package/sub.py", "TWO = 2", 'TWO = 2\nNAME = "x"'),
    "the order of statements": {"lib/package/sub.py": 'TWO = 2\nDATA_FILES = ("words.txt",)\n'},
}


@pytest.mark.parametrize("name", NOT_A_CHANGE)
def test_what_cannot_change_a_result_does_not_change_the_key(key, name):
    assert key(NOT_A_CHANGE[name]) == key()


@pytest.mark.parametrize("name", A_CHANGE)
def test_what_can_change_a_result_changes_the_key(key, name):
    assert key(A_CHANGE[name]) != key()


@pytest.mark.parametrize(
    "name",
    [
        "a data file declared with its type",
        "a module imported by its name",
        "a module imported by its name under an alias",
        "a module looked for by its name",
    ],
)
def test_what_only_a_declaration_or_a_call_names_counts_with_its_content(key, name):
    assert key(A_CHANGE[name] | edit("lib/other.py", "1", "2")) != key(A_CHANGE[name])


def test_a_declared_file_that_is_not_there_is_named(key):
    with pytest.raises(BadInput, match=r"sub\.py: DATA_FILES names .*nothing\.txt, which is not there"):
        key(edit("lib/package/sub.py", "words.txt", "nothing.txt"))


COMPUTED = {
    "import_module": ("from importlib import import_module", "import_module(name)"),
    "by its module": ("import importlib", 'importlib.import_module(f"lib.{name}")'),
    "by a module with another name": ("import importlib as machinery", "machinery.import_module(name)"),
    "under an alias": ("from importlib import import_module as take", "take(name)"),
    "under a name given later": ("import importlib", "take = importlib.import_module"),
    "handed to another function": ("from importlib import import_module", "list(map(import_module, [name]))"),
    "by the function's own attributes": ("from importlib import import_module", "import_module.__call__(name)"),
    "taken out of its module": ("import importlib", 'getattr(importlib, "import_" + "module")(name)'),
    "__import__": ("", "__import__(name)"),
    "with more than a name": ("", '__import__("lib", fromlist=[name])'),
    "relative to a package": ("from importlib import import_module", 'import_module(".other", __package__)'),
    "from a file": ("import importlib.util", "importlib.util.spec_from_file_location(name, name)"),
    "from a file, by an alias": ("from importlib import util as tools", "tools.spec_from_file_location(name, name)"),
    "by a loader": ("from importlib.machinery import SourceFileLoader", "SourceFileLoader(name, name)"),
    "run as a script": ("import runpy", "runpy.run_module(name)"),
}


@pytest.mark.parametrize("way", COMPUTED)
@pytest.mark.parametrize("file", ["script.py", "lib/deep.py"])
def test_an_import_by_a_computed_name_is_refused_with_its_place(key, way, file):
    """What it imports would be in no key: an edit would leave stale results."""
    statement, use = COMPUTED[way]
    source = f"{TREE[file]}{statement}\n\n\ndef use(name):\n    {use}\n"
    with pytest.raises(BadInput) as refused:
        key({file: source})
    line = source[: source.index(use)].count("\n") + 1
    assert f"{file}, line {line}: an import by a computed name" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "use", ["import importlib.metadata as m\nm.version('torch')\n", "import importlib.resources\n", "x.util.f(y)\n"]
)
def test_what_imports_nothing_is_not_refused(key, use):
    assert key({"lib/deep.py": TREE["lib/deep.py"] + use})


def test_only_the_loader_of_parts_imports_by_a_computed_name():
    """Also where no key reaches: in the library, the chapters, the scripts and the tools."""
    refused = set()
    for path in LIBRARY.rglob("*.py"):
        try:
            keys._module(path, path.read_bytes())
        except BadInput:
            refused.add(path.relative_to(LIBRARY).as_posix())
    assert refused == {"carryover/runtime/parts.py"}


def test_a_part_is_in_the_key_with_what_it_imports(monkeypatch):
    script, without = SCRIPT["corpus"], {"language": "en"}
    named = without | {"parts": {"models": "gpt2", "chapters": ["transfer.headline"]}}
    assert json.loads(make_key(script, named))["config"] == named
    assert json.loads(make_key(script, named))["code"] != json.loads(make_key(script, without))["code"]
    used = tuple(LIBRARY / name for name in ("carryover/models/gpt2.py", "chapters/transfer/headline.py"))
    reached = set(closure(script, LIBRARY, used))
    assert reached > {*used, LIBRARY / "carryover/models/packing.py", LIBRARY / "chapters/__init__.py"}
    read, whole = keys._content, keys.fingerprint.__wrapped__
    before = whole(script, LIBRARY, used)
    for edited in reached:
        monkeypatch.setattr(keys, "_content", lambda path, edited=edited: read(path) + " edited" * (path == edited))
        assert whole(script, LIBRARY, used) != before, edited
    monkeypatch.setattr(keys, "_content", lambda path: read(path) + " edited" * (path.stem == "adamw"))
    assert whole(script, LIBRARY, used) == before


def test_a_part_that_is_not_there_is_one_line():
    with pytest.raises(BadInput, match=r"^no part 'gtp2' in workflow/carryover/models; did you mean 'gpt2'\?$"):
        make_key(SCRIPT["corpus"], {"parts": {"models": "gtp2"}})


def test_all_the_changes_have_different_keys(key):
    assert len({key(), *(key(change) for change in A_CHANGE.values())}) == len(A_CHANGE) + 1


def test_where_the_project_lies_does_not_matter(key):
    assert key() == key()


def test_a_script_can_declare_a_data_file(key):
    """Its content counts, wherever it lies: a table beside the library, say."""
    script = TREE["script.py"] + 'DATA_FILES = ("table.csv",)\n'
    one, other = ({"script.py": script, "table.csv": text} for text in ("a\n", "b\n"))
    assert key(one) == key(one)
    assert key(one) != key(other)


def test_a_key_is_canonical_json(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("x = 1\n")
    items = [("lr", 5e-5), ("languages", ["en", "ไทย"]), ("subset", None), ("a", {"z": 1, "b": True})]
    keys = set()
    for seed in range(5):
        random.Random(seed).shuffle(items)
        keys.add(make_key(script, dict(items)))
    (key,) = keys
    assert json.loads(key) == {"code": fingerprint(script.resolve()), "config": dict(items)}
    assert "\n" not in key and ": " not in key
    assert make_key(script, {**dict(items), "lr": 5.1e-5}) != key
    assert make_key(script, {**dict(items), "languages": ["ไทย", "en"]}) != key


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (True, 1), (None, "null"), (0, False), ("1", 1)])
def test_values_of_different_types_are_different_keys(one, other):
    assert canonical({"x": one}) != canonical({"x": other})


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), ({1, 2}, TypeError), (Path("x"), TypeError)])
def test_what_json_cannot_hold_is_refused(value, error):
    with pytest.raises(error):
        canonical({"x": value})


# What Python versions have parsed differently, or write differently: f-strings, type parameters' fields, numbers, characters
# that only some versions' Unicode tables know.
SYNTAX = r"""
def f(x: int = 1_000, /, *rest, key=0x10, **more) -> "text":
    width, point = 3, 2
    with (open("a") as a, open("b") as b):
        lines = [*a, *b]
    text = f"{x:{width}}" f"{x:>{width}.{point}f}" "plain" f"{x!r:}{{}}{x = }" f""
    match x:
        case {"a": [1, *_], **others} if others: return -1j
        case int() | None: return 1e400
    try:
        return lambda *a, k=1.0, **b: (yield lines)
    except* (OSError, ValueError) as group:
        raise group from None
class A(dict, metaclass=type):
    names: tuple[str, ...] = ("\N{BULLET}", "ไทย", "🫩", u"u", b"\xff", ...)
    @property
    async def each(self): return [y async for y in self if (z := y) is not None][::2, ...]
"""
SYNTAX_FINGERPRINT = "1aa00d3087d24bfb"


def test_every_python_version_has_the_same_key(tmp_path):
    """The expected value is one that Python 3.11, 3.12 and 3.13 gave; where they are at hand, test_project asks them."""
    (tmp_path / "syntax.py").write_text(SYNTAX, encoding="utf-8")
    assert fingerprint(tmp_path / "syntax.py") == SYNTAX_FINGERPRINT


# ------------------------------------------------------------------------------------------ the real scripts


def names(script: Path) -> set[str]:
    return {path.stem for path in closure(script)}


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def everything_imported(script: Path) -> set[str]:
    return set().union(imports(script), *(imports(path) for path in closure(script) if path.suffix == ".py"))


SCRIPT = {script.stem: script for script in SCRIPTS}


@pytest.mark.parametrize(
    "name", ["transfer_tables", "report", "fertility", "fetch", "select", "mini", "config", "tokenizer", "figures"]
)
def test_scripts_without_a_model_never_reach_one(name):
    """Else an edit of the model would redo every table, and each job would wait for torch to load."""
    assert not names(SCRIPT[name]) & {"gpt2", "loop", "packing", "choice", "prompts"}
    assert not everything_imported(SCRIPT[name]) & {"torch", "transformers"}


@pytest.mark.parametrize("name", SCRIPT)
def test_only_figures_draws(name):
    assert ("matplotlib" in everything_imported(SCRIPT[name])) == (name in ("figures", "paper"))


@pytest.mark.parametrize("name", SCRIPT)
def test_the_plan_is_in_no_key(name):
    """Plan and config are read by the rules alone: an edit of either that changes no job runs none again."""
    assert not names(SCRIPT[name]) & {"runs", "config"}


NEEDED = {
    "finetune": {
        "lora",
        "loop",
        "gpt2",
        "packing",
        "losses",
        "adamw",
        "finetuning",
        "choice",
        "checkpoints",
        "prompts",
    },
    "pretrain": {"pretraining", "loop", "gpt2", "packing", "losses", "adamw", "checkpoints", "tokenizer"},
    "predict": {"choice", "gpt2", "packing", "prompts"},
    "tokens": {"nli", "prompts", "tokenizer"},
    "corpus": {"nli", "xnli"},
    "fetch": {"fetch"},
    "fertility": {"fertility", "tokenizer"},
    "select": {"selection", "predictions", "statistics"},
    "transfer_tables": {"chapter_tables", "sources", "predictions", "published", "study"},
    "figures": {"drawing", "style", "records"},
    "report": {"page", "chapters", "formatting"},
    "parity": {"parity", "gpt2"},
    "generate": {"cache", "generation", "gpt2"},
    "mini": {"mini"},
}


# The parts that a rule could name for a script.
MODEL, ANSWERED = {"models": "gpt2"}, {"models": "gpt2", "answers": "choice"}
PARTS = {
    "finetune": ANSWERED | {"methods": "lora"},
    "predict": ANSWERED | {"methods": "full"},
    "tokens": {"tasks": "nli"},
    "corpus": {"tasks": "nli"},
    "parity": MODEL,
    "generate": MODEL,
    "models": MODEL,
}


@pytest.mark.parametrize("name", NEEDED)
def test_closures_hold_what_the_scripts_run(name):
    used = [LIBRARY / parts.file_of(module) for module in parts.modules(PARTS.get(name, {})).values()]
    assert {path.stem for path in closure(SCRIPT[name], LIBRARY, tuple(used))} >= NEEDED[name] | {"__init__"}


@pytest.mark.parametrize("name", PARTS)
def test_a_script_knows_no_part_but_by_its_rule(name):
    """Else an edit of one method or task would run again what used another."""
    packages = {path.relative_to(LIBRARY / "carryover").parts[0] for path in closure(SCRIPT[name])}
    assert not packages & {"methods", "tasks", "answers"}
    assert not names(SCRIPT[name]) & {"hugging_face", "lora", "nli", "choice"}


MODULES = sorted(path for package in ("carryover", "chapters") for path in (LIBRARY / package).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_an_edit_of_a_module_changes_the_keys_of_what_imports_it_and_no_other(module, monkeypatch):
    read = keys._content
    edited = {script.stem: keys.fingerprint.__wrapped__(script) for script in SCRIPTS}
    monkeypatch.setattr(keys, "_content", lambda path: read(path) + " edited" * (path == module))
    edited = {name for name, before in edited.items() if keys.fingerprint.__wrapped__(SCRIPT[name]) != before}
    assert edited == {script.stem for script in SCRIPTS if module in closure(script)}


def test_an_edit_of_the_optimiser_trains_again_and_tabulates_nothing(tmp_path):
    """On a copy of the library: the keys of training change, those of reading and reporting do not."""
    shutil.copytree(LIBRARY, tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    adamw = tmp_path / "workflow" / "carryover" / "training" / "adamw.py"
    adamw.write_text(adamw.read_text(encoding="utf-8") + "\nNEW = 1\n", encoding="utf-8")
    changed = {name for name, script in SCRIPT.items() if fingerprint(script) != fingerprint(script, tmp_path / "workflow")}
    assert changed == {"finetune", "pretrain"}
