"""The project around the code: environments that agree, commands in the README that exist, no network that is needed."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
import yaml
from test_keys import SYNTAX

from carryover.planning.keys import fingerprint
from study_runner import PROJECT, clone, snakemake


def pins(path: Path) -> set[str]:
    return {line.strip() for line in path.read_text().splitlines() if "==" in line}


def test_the_conda_environment_mirrors_the_locked_requirements():
    environment = yaml.safe_load((PROJECT / "envs/carryover.yaml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert set(pip) == pins(PROJECT / "envs/requirements.txt")


def test_every_direct_dependency_is_locked_and_explained():
    locked = {pin.split("==")[0].lower() for pin in pins(PROJECT / "envs/requirements.txt")}
    explained = (PROJECT / "docs/dependencies.md").read_text().lower()
    imported = set()
    folders = ("carryover", "chapters", "scripts")
    for path in (path for folder in folders for path in (PROJECT / "workflow" / folder).rglob("*.py")):
        imported |= set(re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.M))
    named = {"yaml": "pyyaml"}
    outside = {named.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"carryover", "chapters"}}
    assert outside <= locked, outside - locked
    assert all(name in explained for name in outside), [name for name in outside if name not in explained]


def test_what_the_readme_names_exists():
    text = (PROJECT / "README.md").read_text()
    targets = set(re.findall(r"(?:^    (?:\w+=\S+ )?|`)make ([a-z-]+)", text, re.M))
    makefile = (PROJECT / "Makefile").read_text()
    assert targets and all(re.search(rf"^{target}:", makefile, re.M) for target in targets)
    for path in re.findall(r"(?:workflow|data|docs|envs)/[\w/.-]+\w", text):
        made_later = path.startswith("data/mirror") or path.startswith("data/downloads")
        assert made_later or (PROJECT / path).exists(), path


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "CHANGELOG.md", "docs/log.md"])
def test_what_other_documents_name_exists(document):
    text = (PROJECT / document).read_text()
    named = set(re.findall(r"(?:workflow|data|docs|envs)/[\w/.-]*\w", text)) | set(re.findall(r"\]\(([\w/.-]+)\)", text))
    assert named
    for path in named:
        assert (PROJECT / path).exists() or (PROJECT / document).with_name(path).exists(), path


def test_the_tree_in_the_readme_is_the_tree():
    text = (PROJECT / "README.md").read_text()
    tree = text[text.index("## What lies where") : text.index("## Where each number")]
    packages = set(re.findall(r"^    ((?:\w+/ *)+)", tree, re.M))
    named = {name for line in packages for name in re.findall(r"\w+(?=/)", line)}
    assert named == {path.parent.name for path in (PROJECT / "workflow/carryover").glob("*/__init__.py")}


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9", "/nowhere"])
def test_without_its_sources_the_published_study_stops_before_anything_runs(tmp_path, mirror):
    directory = clone(tmp_path / "carryover")
    ran = snakemake(directory, CARRYOVER_MIRROR=mirror)
    assert ran.returncode == 1
    line = next(line for line in ran.stdout.splitlines() if line.startswith("error:"))
    assert mirror in line and "CARRYOVER_MIRROR" in line and "Traceback" not in ran.stdout
    assert not (directory / "results").exists() and not (directory / "data/downloads").exists()
    assert "Finished job" not in ran.stdout


def test_every_gpu_job_of_the_published_study_asks_for_one(tmp_path):
    shown = snakemake(clone(tmp_path / "carryover"), "--dry-run", "--resources", "gpu=1")
    assert shown.returncode == 0, shown.stdout[-2000:]
    jobs = re.split(r"\n(?=\[)", shown.stdout)
    heavy = [job for job in jobs if re.search(r"^(local)?rule (finetune|predict_\w+|pretrain|generate):", job, re.M)]
    assert len(heavy) > 30 and all("gpu=1" in job for job in heavy)


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_key_is_the_same_on_other_pythons(version, tmp_path):
    candidates = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}*/bin/python"))]
    works = [name for name in candidates if name and subprocess.run([name, "-c", ""], capture_output=True).returncode == 0]
    if not works:
        pytest.skip(f"no Python {version} on this machine")
    (tmp_path / "syntax.py").write_text(SYNTAX, encoding="utf-8")
    scripts = [tmp_path / "syntax.py", *sorted((PROJECT / "workflow/scripts").glob("*.py"))]
    code = "import sys; from pathlib import Path; from carryover.planning.keys import fingerprint\n"
    code += "print(*[fingerprint(Path(name)) for name in sys.argv[1:]])"
    command = [works[-1], "-c", code, *map(str, scripts)]
    shown = subprocess.run(command, env={"PYTHONPATH": str(PROJECT / "workflow")}, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [fingerprint(script) for script in scripts]


def test_every_fault_in_the_table_has_its_test():
    rows = [line for line in (PROJECT / "docs/reliability.md").read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) >= 30 and [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        file, name = re.search(r"`(test_\w+\.py)::(test_\w+)` \|$", row).groups()
        assert f"def {name}(" in (next((PROJECT / "tests").rglob(file))).read_text(), row


def test_rule_files_share_nothing_but_what_is_in_common():
    """The order in which they are included does not matter, and a reader of one needs no other."""
    files = [*PROJECT.glob("workflow/rules/*.smk"), *PROJECT.glob("workflow/chapters/*/rules.smk")]
    common = next(path for path in files if path.name == "common.smk")
    made, used = {}, {}
    for path in files:
        text = path.read_text(encoding="utf-8")
        made[path] = set(re.findall(r"^(?:def )?([A-Za-z_]\w*)(?= = |\()", text, re.M))
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        named = [(token, after) for token, after in itertools.pairwise(tokens) if token.type == tokenize.NAME]
        used[path] = {token.string for token, after in named if after.string not in ("=", ":")}
    for path in files:
        others = set().union(*(names for other, names in made.items() if other not in (path, common)))
        assert not (others - made[path] - made[common]) & used[path], path
