"""A heartbeat in the log of a job that has been silent, and the end of a job that is past its time limit.

It gives the job's last message and its age, the processor time used since, and the line of code that the job is at: a job that
computes and one that hangs look different.
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


class LastMessage(logging.Handler):
    """Keeps the last message of the job itself, with its time in seconds and in processor seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.time, self.used = "nothing yet", time.monotonic(), time.process_time()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one record."""
        if record.name != log.name:
            self.text, self.time, self.used = record.getMessage(), time.monotonic(), time.process_time()


def start_heartbeat(limit_minutes: float = 0) -> None:
    """Watches this process from a thread until it ends; a limit of 0 is none.

    A job past its limit gets SIGTERM, as from a scheduler, and is killed `SECONDS_TO_END` later.
    """
    last = LastMessage()
    logging.getLogger().addHandler(last)
    threading.Thread(target=_watch, args=(last, limit_minutes * 60 or float("inf")), name="heartbeat", daemon=True).start()


def _watch(last: LastMessage, limit: float) -> None:
    deadline = time.monotonic() + limit
    logged = last.time
    while (now := time.monotonic()) < deadline:
        logged = max(logged, last.time)
        if now - logged >= SECONDS_OF_SILENCE:
            busy = time.process_time() - last.used
            log.info(
                "nothing new for %.0f s (%.1f s of processor time), at %s; last: %s", now - last.time, busy, _at(), last.text
            )
            logged = now
        time.sleep(min(logged + SECONDS_OF_SILENCE, deadline) - now)
    log.error(
        "error: its time limit of %g minutes is over, at %s; last: %s; give it more by --set-resources RULE:runtime=MINUTES",
        limit / 60,
        _at(),
        last.text,
    )
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(1)


def _at() -> str:
    """The line that the main thread is at."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]  # a thread that runs has an identity
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
