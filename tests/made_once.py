"""What takes long to make and several tests use: made by whoever comes first, found by other processes and by later runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from filelock import FileLock

PROJECT = Path(__file__).resolve().parent.parent
KEPT = PROJECT / ".pytest_cache" / "made"
COUNTED = ("Snakefile", "config.yaml", "workflow", "data", "envs", "report")
LEFT_OUT = {"__pycache__", "downloads"}


def made_once(name: str, make: Callable[[Path], object], target: Path | None = None) -> Path:
    """A folder that `make` filled, once for all processes and runs of tests over the same code, data and packages.

    target: where a copy of it is wanted, which a test may change; without one, the folder itself, only to be read. What was
    made of other code goes. Where `make` fails in one process, the others of this run do not try again.
    """
    place, failed = KEPT / f"{name}-{code_digest()}", KEPT / f"{name}.failed"
    KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(KEPT / f"{name}.lock"):
        if not place.is_dir():
            run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
            before, _, reason = failed.read_text(encoding="utf-8").partition("\n") if failed.exists() else ("", "", "")
            assert before != run, reason
            for old in KEPT.glob(f"{name}-*"):
                shutil.rmtree(old)
            partial = KEPT / f"{name}-partial"
            partial.mkdir()
            try:
                make(partial)
            except Exception as problem:
                failed.write_text(f"{run}\n{problem}", encoding="utf-8")
                raise
            partial.rename(place)
        return shutil.copytree(place, target, symlinks=True) if target else place


@cache
def code_digest() -> str:
    """Of all files that a study is made with, and of the packages that are installed."""
    digest = hashlib.sha256(sys.version.encode())
    for line in sorted(f"{one.name} {one.version}" for one in distributions()):
        digest.update(line.encode())
    files = (
        file for name in COUNTED for file in ([PROJECT / name] if (PROJECT / name).is_file() else (PROJECT / name).rglob("*"))
    )
    for path in sorted(file for file in files if file.is_file() and not LEFT_OUT & set(file.parts)):
        digest.update(f"\0{path.relative_to(PROJECT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()[:16]
