"""Files that appear whole: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carryover.runtime.errors import BadInput


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it on success, removes it on any error.

    A killed process leaves either the old file or none, and a partial file that the next writer removes. An OSError (a full
    disk, a read-only folder) becomes a `BadInput` that names the file.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            left.unlink(missing_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror or error}; nothing was left half-written") from error
    finally:
        with suppress(OSError):  # the folder may be what could not be made
            partial.unlink(missing_ok=True)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """What goes wrong inside becomes a `BadInput` that names the file: a file of the pipeline's own, damaged or cut off."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # readers raise what they like
        raise BadInput(f"{path}: damaged or cut off ({type(error).__name__}: {error}); delete it and run again") from error


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text, whole."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes bytes, whole."""
    with whole(path) as partial:
        partial.write_bytes(content)


def copy(source: str | Path, target: str | Path) -> None:
    """Copies a file, whole."""
    with whole(target) as partial:
        shutil.copyfile(source, partial)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON for people (indented, keys in the order given), whole."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises BadInput where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}; make it again by running Snakemake again") from error
