"""Checkpoints of a training run: what a killed job goes on from.

The directory belongs to one output path, key and set of input checksums (`carryover.job`). The newest checkpoint is used;
one that was cut off while being written is recognised by its checksum, and the one before it used.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from carryover import files

log = logging.getLogger("carryover")
SECONDS_BETWEEN = float(os.environ.get("CARRYOVER_CHECKPOINT_SECONDS", "60"))  # how often changes no result
KEPT = 2


class Checkpoints:
    """The checkpoints in one directory; `None` as directory keeps none."""

    def __init__(self, directory: Path | None, seconds_between: float = SECONDS_BETWEEN) -> None:
        self.directory, self.seconds_between = directory, seconds_between
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.directory is not None and time.monotonic() - self._saved >= self.seconds_between

    def save(self, update: int, state: dict[str, Any]) -> None:
        """Saves the state after this many updates and drops all but the two newest."""
        assert self.directory is not None
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        path = self.directory / f"update-{update:09d}.pt"
        files.write_bytes(path, hashlib.sha256(content).digest() + content)
        for old in sorted(self.directory.glob("update-*.pt"))[:-KEPT]:
            old.unlink()
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The newest whole state, or None."""
        for path in sorted(self.directory.glob("update-*.pt"), reverse=True) if self.directory else ():
            content = path.read_bytes()
            if hashlib.sha256(content[32:]).digest() == content[:32]:
                log.info("going on from %s", path.name)
                return torch.load(io.BytesIO(content[32:]), weights_only=True, map_location="cpu")
            log.info("%s was cut off while being written; not used", path.name)
        return None

    def clear(self) -> None:
        """Removes the directory: the run is over."""
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
