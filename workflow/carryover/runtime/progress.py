"""A progress bar on a terminal, one line every so often in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
log = logging.getLogger("carryover")


class Progress:
    """Counts towards `total`; `advance(n, **values)` shows the values beside the count."""

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self.name, self.total, self.done = name, total, done
        self._bar = tqdm(total=total, initial=done, desc=name, leave=False, disable=not (sys.stderr and sys.stderr.isatty()))
        self._started = self._logged = time.monotonic()
        self._from = done

    def advance(self, n: int = 1, **values: float) -> None:
        """Counts `n` more."""
        self.done += n
        self._bar.update(n)
        now = time.monotonic()
        if now - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = now
            rate = (self.done - self._from) / (now - self._started)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            left = (self.total - self.done) / rate if rate else float("inf")
            log.info(
                "%s: %d of %d, %.3g a second, %.0f s left%s",
                self.name,
                self.done,
                self.total,
                rate,
                left,
                f", {shown}" if shown else "",
            )


@contextmanager
def progress(name: str, total: int, done: int = 0) -> Iterator[Progress]:
    """A `Progress` whose bar goes when the work is over."""
    counter = Progress(name, total, done)
    try:
        yield counter
    finally:
        counter._bar.close()
