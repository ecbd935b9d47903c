"""Whose locks go: those of the dead, never those of a Snakemake that is alive, here or elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "workflow"
PROGRAM = """
import sys
from pathlib import Path
from carryover.runtime.locks import clear_stale_locks
print(len(clear_stale_locks(Path(".snakemake"))), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts what a Snakemake does first; gives the process and how many notes it removed."""
    running = []

    def call() -> tuple[subprocess.Popen, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=tmp_path, env={"PYTHONPATH": str(LIBRARY)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process, int(process.stdout.readline())

    yield call
    for process in running:
        process.kill()
        process.communicate()


def note(tmp_path: Path, name: str) -> Path:
    path = tmp_path / ".snakemake/locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("results/x\n")
    return path


def test_notes_of_a_killed_snakemake_go(start, tmp_path):
    first, _ = start()
    left = note(tmp_path, "0.output")
    first.kill()
    first.wait()
    _, removed = start()
    assert removed == 1 and not left.exists()


def test_notes_of_a_live_snakemake_stay(start, tmp_path):
    """Also when an older one that was alive beside it has ended since."""
    first, _ = start()
    second, _ = start()
    theirs = note(tmp_path, "1.output")
    first.kill()
    first.wait()
    third, removed = start()
    assert removed == 0 and theirs.exists()
    for process in (second, third):
        process.kill()
        process.wait()
    assert start()[1] == 1


def test_notes_of_another_machine_stay(start, tmp_path):
    left = note(tmp_path, "0.output")
    (tmp_path / ".snakemake/alive.lock").write_text("another-host")
    assert start()[1] == 0 and left.exists()


def test_folder_that_cannot_be_written_is_left_alone(start, tmp_path):
    (tmp_path / ".snakemake").write_text("a file where the folder should be")
    assert start()[1] == 0
