"""The profile by itself: no SLURM is needed to read it and to plan with it."""

import itertools
import re
from pathlib import Path

import pytest
from snakemake.profiles import ProfileConfigFileParser

from carryover.planning.keys import closure
from study_runner import PROJECT, clone, planned

PROFILE = PROJECT / "workflow/profiles/slurm"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A function that gives what Snakemake reads from the profile, for a cluster file with these changes."""

    def settings(**changes: str) -> dict:
        text = (PROFILE / "cluster.yaml").read_text()
        for name, value in changes.items():
            text, count = re.subn(rf"(?m)^{name}: \S+", f"{name}: {value}", text)
            assert count == 1, name
        (tmp_path / "mine.yaml").write_text(text)
        monkeypatch.setenv("CARRYOVER_CLUSTER", str(tmp_path / "mine.yaml"))
        with (PROFILE / "config.yaml").open() as stream:
            return ProfileConfigFileParser().parse(stream)

    return settings


@pytest.mark.parametrize("name", ["cluster.yaml", "config.yaml"])
def test_every_key_has_a_comment(name):
    lines = (PROFILE / name).read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r" *[\w-]+:", line):
            assert "#" in line or before.startswith("#"), line


def test_the_users_account_qos_model_and_limits_reach_snakemake(read):
    settings = read(account="physics", qos="long", gpu_model="a100", accounting="false", runtime="300", mem_mb="64000")
    assert {"slurm_account=physics", "gpu_model=a100"} <= set(settings["default-resources"])
    assert {"runtime=300", "mem_mb=64000"} <= set(settings["resources"])
    assert (settings["slurm-qos"], settings["slurm-status-command"]) == ("long", "squeue")
    assert Path(settings["slurm-partition-config"]).name == "mine.yaml"


def test_what_the_user_leaves_out_is_not_asked_for(read):
    settings = read()
    assert "slurm-qos" not in settings and settings["slurm-status-command"] == "sacct"
    assert not [value for value in settings["default-resources"] if value.startswith(("slurm_account", "gpu_model"))]


def test_only_fetching_can_reach_the_network():
    """Compute nodes have no internet: no script but that of the local rule imports what speaks HTTP."""
    scripts = sorted((PROJECT / "workflow/scripts").glob("*.py"))
    online = [script.name for script in scripts if any(path.name == "fetch.py" for path in closure(script))]
    assert online == ["fetch.py"]
    for module in (PROJECT / "workflow").rglob("*.py"):
        if re.search(r"^\s*(import|from) (requests|urllib[.]request|http[.]client|socket)\b", module.read_text(), re.M):
            assert module.name == "fetch.py", module


def test_a_study_is_planned_with_the_profile_where_there_is_no_slurm(tmp_path):
    project = clone(tmp_path / "project")
    options = ["--workflow-profile", "workflow/profiles/slurm", "--configfile", "workflow/overlays/mini.yaml"]
    assert planned(project, *options)["finetune"] > 1
