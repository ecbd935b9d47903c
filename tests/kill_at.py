"""Runs a script as its rule does and has it get a signal at an exact place: python kill_at.py SIGNAL PLACE N SCRIPT ...

PLACE is one of `PLACES`, N the how-manieth time that it is reached; 0 is never. Checkpoints are due every third update,
whatever the clock says, so that a place means the same in each run.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from carryover.answers import choice
from carryover.models import gpt2
from carryover.runtime import files, signals
from carryover.training import checkpoints, loop, pretraining

UPDATES_BETWEEN = 3


def killer(name: str, number: int) -> Callable[[], None]:
    """A function that sends this process the signal when it is called for the `number`th time."""
    calls = []

    def reached() -> None:
        calls.append(None)
        if len(calls) == number:
            os.kill(os.getpid(), signal.Signals[name])

    return reached


def before(module: Any, name: str, reached: Callable[[], None]) -> None:
    """`reached` is called before each call of this function."""
    original = getattr(module, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        reached()
        return original(*arguments, **named)

    setattr(module, name, wrapped)


def half_written(reached: Callable[[], None]) -> None:
    """`reached` is called when a part of a checkpoint is on the disk."""
    before(checkpoints._Summed, "__init__", lambda: written.clear())
    write, written = checkpoints._Summed.write, []

    def write_and_tell(self: checkpoints._Summed, content: bytes) -> int:
        size = write(self, content)
        self.file.flush()
        written.append(size)
        if len(written) == 10:
            reached()
        return size

    checkpoints._Summed.write = write_and_tell


PLACES = {
    "update": lambda reached: before(loop, "learning_rate", reached),
    "backward": lambda reached: before(torch.Tensor, "backward", reached),
    "evaluation": lambda reached: (before(choice, "score", reached), before(pretraining, "validation_loss", reached)),
    "half a checkpoint": half_written,
    "rename of a checkpoint": lambda reached: before(Path, "replace", reached),
    "pruning of checkpoints": lambda reached: before(Path, "unlink", reached),
    "writing the model": lambda reached: before(gpt2.files, "write_bytes", reached),
    "writing the curve": lambda reached: before(files, "write_text", reached),
    "removing the checkpoints": lambda reached: before(checkpoints.shutil, "rmtree", reached),
}


def main() -> None:
    name, place, number, script, *arguments = sys.argv[1:]
    PLACES[place](killer(name, int(number)))
    calls = []

    def due(self: checkpoints.Checkpoints) -> bool:
        calls.append(None)
        return self.directory is not None and (len(calls) % UPDATES_BETWEEN == 0 or signals.asked())

    checkpoints.Checkpoints.due = due
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
