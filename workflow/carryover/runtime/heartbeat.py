"""A sign of life in the log of a job that says nothing, and the end of one that has outlived its time limit.

A heartbeat tells what the job last said and how long ago, how much processor time it has used since, and the line of code that
it is at: a job that computes and one that hangs look different.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

log = logging.getLogger("carryover.runtime.heartbeat")
SECONDS_OF_SILENCE = float(os.environ.get("CARRYOVER_HEARTBEAT_SECONDS", "60"))  # how often changes no result
SECONDS_TO_END = 30.0  # between the request to end and the end


class LastWords(logging.Handler):
    """Keeps the last message of the job itself, and when it came, in seconds and in processor seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.time, self.used = "nothing yet", time.monotonic(), time.process_time()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes over one record."""
        if record.name != log.name:
            self.words, self.time, self.used = record.getMessage(), time.monotonic(), time.process_time()


def start_heartbeat(limit_minutes: float = 0) -> None:
    """Watches over this process, from a thread of its own, until it ends; a limit of 0 is none.

    A job past its limit is asked to end as a scheduler asks (SIGTERM), and is ended where it does not listen.
    """
    last = LastWords()
    logging.getLogger().addHandler(last)
    threading.Thread(target=_watch, args=(last, limit_minutes * 60 or float("inf")), name="heartbeat", daemon=True).start()


def _watch(last: LastWords, limit: float) -> None:
    deadline = time.monotonic() + limit
    spoke = last.time
    while (now := time.monotonic()) < deadline:
        spoke = max(spoke, last.time)
        if now - spoke >= SECONDS_OF_SILENCE:
            busy = time.process_time() - last.used
            log.info(
                "nothing new for %.0f s (%.1f s of processor time), at %s; last: %s", now - last.time, busy, _at(), last.words
            )
            spoke = now
        time.sleep(min(spoke + SECONDS_OF_SILENCE, deadline) - now)
    log.error(
        "error: its time limit of %g minutes is over, at %s; last: %s; give it more by --set-resources RULE:runtime=MINUTES",
        limit / 60,
        _at(),
        last.words,
    )
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(1)


def _at() -> str:
    """The line that the main thread is at."""
    frame = sys._current_frames()[threading.main_thread().ident]
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
