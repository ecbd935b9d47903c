"""Being asked to stop: SIGTERM from a scheduler, Ctrl-C or a closed terminal from a person.

A job stops where it stands, by an exception. One that can keep its work runs it under `deferred`: there a request waits
until the work looks (`raise_if_asked`), for `GRACE` seconds at most.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE = 20  # seconds: SLURM kills 30 seconds after it asked
_request: signal.Signals | None = None
_deferring = False


class Stopped(BaseException):
    """The job was asked to stop. Not an Exception: what mends errors must not mend this."""

    def __init__(self, request: signal.Signals, detail: str) -> None:
        super().__init__(f"stopped by {request.name}; {detail}")
        self.status = 128 + request  # as a shell reports a process that died of it


def listen() -> None:
    """From now on a request becomes a `Stopped`. Signals that whoever started this ignores (nohup) stay ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_request)
    signal.signal(signal.SIGALRM, _on_alarm)


def silence() -> None:
    """From now on requests are ignored: the job is ending by itself."""
    signal.alarm(0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[None]:
    """Inside, a request waits. One that comes too late for the work to look has `GRACE` seconds left to finish the job."""
    global _deferring
    _deferring = True
    try:
        yield
    finally:
        _deferring = False


def asked() -> bool:
    """Whether a request waits."""
    return _request is not None


def raise_if_asked(detail: str = "run the same command again") -> None:
    """Grants a request that waits. Raises `Stopped` with what to know or do about it."""
    if _request is not None:
        raise Stopped(_request, detail)


def _on_request(number: int, _frame: FrameType | None) -> None:
    global _request
    if _request is None:  # one is enough: another would interrupt the cleaning up after the first
        _request = signal.Signals(number)
        signal.alarm(GRACE)
        if not _deferring:
            raise_if_asked()


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    signal.alarm(GRACE)
    raise_if_asked()
