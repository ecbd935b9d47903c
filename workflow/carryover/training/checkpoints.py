"""Checkpoints of a training run: what a killed job goes on from.

The directory belongs to one output path, key and set of input checksums (`carryover.runtime.job`). The newest checkpoint is used;
one that was cut off while being written is recognised by its checksum, and the one before it used. A checkpoint that
cannot be written costs a warning, not the run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from carryover.runtime import files, signals
from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")
SECONDS_BETWEEN = float(os.environ.get("CARRYOVER_CHECKPOINT_SECONDS", "60"))  # how often changes no result
LARGEST_SHARE = 0.05  # of the time, for saving: a large state on a slow disk is saved less often
KEPT = 2
DIGEST = hashlib.sha256().digest_size  # bytes at the end of a file, over all before them


class Checkpoints:
    """The checkpoints in one directory; `None` as directory keeps none."""

    def __init__(self, directory: Path | None, seconds_between: float = SECONDS_BETWEEN) -> None:
        self.directory, self.seconds_between = directory, seconds_between
        self._tried = time.monotonic()
        self._cost = 0.0

    def due(self) -> bool:
        """Whether it is time to save again: now and then, and when the job is asked to stop."""
        if self.directory is None:
            return False
        waited = time.monotonic() - self._tried
        return signals.asked() or waited >= max(self.seconds_between, self._cost / LARGEST_SHARE)

    def save(self, update: int, state: dict[str, Any]) -> None:
        """Saves the state after this many updates and drops all but the two newest.

        Raises `Stopped` afterwards where the job was asked to stop.
        """
        assert self.directory is not None
        began = time.monotonic()
        kept = "training goes on from there"
        try:
            with files.whole(self.directory / f"update-{update:09d}.pt") as partial, partial.open("wb") as file:
                summed = _Summed(file)
                torch.save(state, cast(BinaryIO, summed))
                file.write(summed.digest())
            for old in self._newest_first()[KEPT:]:
                old.unlink(missing_ok=True)
        except BadInput as error:
            kept = "training goes on from the checkpoint before"
            log.warning("checkpoint after update %d not saved, training goes on: %s", update, error)
        self._tried = time.monotonic()
        self._cost = self._tried - began
        signals.raise_if_asked(f"after update {update}; run the same command again: {kept}")

    def load(self) -> dict[str, Any] | None:
        """The newest whole state, or None; what is not whole is removed, lest it count as one of the newest."""
        for path in self._newest_first():
            with suppress(OSError):
                if _is_whole(path):
                    state = torch.load(path, weights_only=True, map_location="cpu")
                    log.info("going on from %s", path.name)
                    return state
            log.warning("%s is damaged or was cut off while being written; not used", path.name)
            with suppress(OSError):
                path.unlink()
        return None

    def clear(self) -> None:
        """Removes the directory: the run is over."""
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self.directory.glob("update-*.pt"), reverse=True) if self.directory else []


class _Summed:
    """A file that keeps the checksum of what is written: a state of gigabytes is never in memory twice.

    An error of writing is raised at the end, by `digest`: torch would put one of its own in its place.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sum = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            self.sum.update(content)
            if self.error is None:
                self.file.write(content)
        except OSError as error:
            self.error = error
        return len(content)

    def flush(self) -> None:
        pass

    def digest(self) -> bytes:
        if self.error is not None:
            raise self.error
        return self.sum.digest()


def _is_whole(path: Path) -> bool:
    """Whether a file ends with the checksum of all before it."""
    left = path.stat().st_size - DIGEST
    if left <= 0:
        return False
    found = hashlib.sha256()
    with path.open("rb") as file:
        while left:
            if not (chunk := file.read(min(left, 2**20))):
                return False
            found.update(chunk)
            left -= len(chunk)
        return file.read() == found.digest()
