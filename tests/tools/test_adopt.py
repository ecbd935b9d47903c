"""Results from elsewhere are taken over where they are what their provenance says, and named where they are not."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from study_runner import clone, planned, snakemake
from tools.adopt import Results, differences
from tools.listing import Listed, read_jobs

MINI = ("--configfile", "workflow/overlays/mini.yaml")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def job(rule: str, key: object, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Listed:
    record = f"{rule}.json"
    command = f"python x.py --key '{json.dumps({'code': 'c', 'config': key})}' --provenance {record}"
    return Listed(rule, inputs, (*outputs, record), "", command)


CHAIN = [
    job("fetch", {"path": "zip", "sha256": [hashlib.sha256(b"zip").hexdigest()]}, (), ("zip",)),
    job("corpus", {"rows": 3}, ("zip",), ("table",)),
    job("train", {"recipe": {"lr": 0.1}}, ("table",), ("model", "curve")),
    job("other", {}, ("table",), ("other",)),
    job("report", {}, ("model", "other"), ("page",)),
]


def make(directory: Path, jobs: list[Listed]) -> None:
    """Writes what the jobs would have written, and their records; a job comes after those that it reads from."""
    for one in jobs:
        for path in one.outputs[:-1] if one.outputs[-1] == one.provenance else one.outputs:
            if path != one.provenance:
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                (directory / path).write_text(path)
        record = {"key": one.key, "inputs": {path: sha256(directory / path) for path in one.inputs}}
        record["outputs"] = {path: sha256(directory / path) for path in one.outputs if path != one.provenance}
        (directory / one.provenance).write_text(json.dumps(record))


@pytest.fixture
def made(tmp_path) -> Path:
    make(tmp_path, CHAIN)
    return tmp_path


def wrong(directory: Path, jobs: list[Listed] = CHAIN) -> dict[str, str]:
    return {one.rule: reason for one, reason in Results(directory, jobs).wrong.items()}


def test_what_was_made_by_these_jobs_holds(made):
    assert wrong(made) == {} and len(Results(made, CHAIN).held()) == len(CHAIN)


def test_a_file_that_was_edited_does_not_hold_nor_what_was_made_from_it(made):
    (made / "model").write_text("another")
    found = wrong(made)
    assert set(found) == {"train", "report"}
    assert "model is not the file that was written" in found["train"] and "model, which does not hold" in found["report"]


def test_a_changed_value_is_named_with_both_values(made):
    jobs = [*CHAIN[:2], job("train", {"recipe": {"lr": 0.2}}, ("table",), ("model", "curve")), *CHAIN[3:]]
    found = wrong(made, jobs)
    assert set(found) == {"train", "report"} and "recipe.lr 0.1, and the study says 0.2" in found["train"]


def test_other_code_is_named():
    (line,) = differences({"code": "a", "config": {"x": 1}}, {"code": "b", "config": {"x": 1}})
    assert "other code (a, now b)" in line


def test_a_job_without_a_record_is_not_trusted(made):
    (made / "train.json").unlink()
    assert "nobody knows" in wrong(made)["train"]
    (made / "train.json").write_text("{half")
    assert "nobody knows" in wrong(made)["train"]


def test_inputs_that_are_others_than_recorded_do_not_hold(made):
    fewer = [*CHAIN[:4], job("report", {}, ("model",), ("page",))]
    assert "reads other files than it did: other" in wrong(made, fewer)["report"]
    record = json.loads((made / "other.json").read_text())
    record["inputs"]["table"] = "0" * 64
    (made / "other.json").write_text(json.dumps(record))
    assert set(wrong(made)) == {"other", "report"} and "another table" in wrong(made)["other"]


def test_a_model_that_went_after_it_had_predicted_is_no_fault(made):
    (made / "model").unlink()
    assert wrong(made) == {}


def test_a_download_need_not_be_copied_where_its_checksum_is_one_that_the_study_takes(made):
    for name in ("zip", "fetch.json"):
        (made / name).unlink()
    assert wrong(made) == {}
    unknown = [job("fetch", {"path": "zip", "sha256": []}, (), ("zip",)), *CHAIN[1:]]
    assert "no record says what it was" in wrong(made, unknown)["corpus"]
    (made / "config.lock.yaml").write_text(yaml.safe_dump({"zip": hashlib.sha256(b"zip").hexdigest()}))
    assert wrong(made, unknown) == {}


# ------------------------------------------------------------------------------------------ with Snakemake


def adopt(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.adopt", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory / "workflow")},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_copied_results_are_taken_over_in_a_fresh_clone_and_what_does_not_hold_runs_again(tmp_path):
    """On files that stand for results, with true records: the mini study's own jobs and keys, nothing trained."""
    directory = clone(tmp_path / "carryover")
    listed = snakemake(directory, *MINI, "--dry-run", "--forceall", "--printshellcmds")
    make(directory, read_jobs(listed.stdout))
    shutil.rmtree(directory / ".snakemake")
    taken = adopt(directory, *MINI)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert planned(directory, *MINI) == {}

    # Elsewhere, with results/mini alone: downloads are not fetched again for what was made from them.
    shutil.rmtree(directory / ".snakemake")
    stood_for = (directory / "data/downloads").glob("mini/*.[zt]*")  # the config knows the true ones' checksums
    (directory / "config.lock.yaml").write_text(yaml.safe_dump({f"mini/{path.name}": sha256(path) for path in stood_for}))
    shutil.rmtree(directory / "data/downloads")
    taken = adopt(directory, *MINI)
    assert "0 put aside" in taken.stdout and planned(directory, *MINI) == {}, taken.stdout

    # One file edited: it and what follows run, and nothing else.
    shutil.rmtree(directory / ".snakemake")
    (directory / "results/mini/fertility/bpe/nli.csv").write_text("edited")
    taken = adopt(directory, *MINI)
    assert taken.returncode == 1
    assert "put aside: results/mini/fertility/bpe/nli.csv: results/mini/fertility/bpe/nli.csv is not the file" in taken.stdout
    assert set(planned(directory, *MINI)) == {"fertility", "select", "transfer_tables", "figures", "report"}
    assert (directory / "results/mini/aside/results/mini/fertility/bpe/nli.csv").read_text() == "edited"
