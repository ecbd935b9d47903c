"""A job that measures time needs the machine to itself: another job beside it would be measured too."""

from __future__ import annotations

import logging
import os
import time

from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")
BUSIEST = 0.5  # load average for each core that was asked for
SECONDS_TO_SETTLE = 180.0  # the average is over a minute: what ended just now still counts in it
SECONDS_BETWEEN_LOOKS = 5.0


def wait_for_idle_machine(cores: int) -> None:
    """Waits until the load average of the last minute is at most `BUSIEST` of these cores, `SECONDS_TO_SETTLE` at the most.

    Raises BadInput where it stays above: what runs there does not belong to this study, or was not asked to wait.
    """
    most, deadline, waiting = BUSIEST * cores, time.monotonic() + SECONDS_TO_SETTLE, False
    while (load := os.getloadavg()[0]) > most:
        if time.monotonic() >= deadline:
            raise BadInput(
                f"this job measures time, and the machine is busy: load average {load:.2f}, at most {most:g} for {cores} cores; "
                "stop what else runs there and run the same command again"
            )
        if not waiting:
            log.info("waiting for the machine to be idle: load average %.2f, at most %g", load, most)
            waiting = True
        time.sleep(SECONDS_BETWEEN_LOOKS)
