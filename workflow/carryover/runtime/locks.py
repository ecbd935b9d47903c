"""Snakemake's locks on a working directory, without those that a killed Snakemake left behind.

Snakemake writes down what it is working on and refuses to start where that overlaps; after SIGKILL or a power cut the note
stays, and every later run asks for `--unlock`. A lock that the system lets go of with its process tells the two apart.
"""

from __future__ import annotations

import fcntl
import os
import platform
from pathlib import Path
from typing import IO

NOTES = "locks/*.lock"  # Snakemake's, within its folder
_held: list[IO[str]] = []  # until this process ends


def clear_stale_locks(folder: Path) -> list[str]:
    """Removes the notes in `.snakemake` where no Snakemake of this project is alive; returns their names.

    From then on this process counts as alive. Does nothing on a file system without locks, and where the last Snakemake ran
    on another machine: it may be running still.
    """
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / "alive.lock").open("a+", encoding="utf-8")
    except OSError:
        return []
    _held.append(file)
    stale = []
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            if file.read() in ("", platform.node()):
                stale = sorted(folder.glob(NOTES))
                for note in stale:
                    note.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        fcntl.flock(file, fcntl.LOCK_SH)
        file.truncate(0)
        file.write(platform.node())
        file.flush()
    except OSError:
        return []
    return [os.path.relpath(note) for note in stale]
