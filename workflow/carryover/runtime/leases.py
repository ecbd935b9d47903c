"""One GPU, one job: leases on the devices of this machine, shared by all studies and users on it.

Snakemake counts GPUs and does not say which. So each job takes a lock on a file per device, and the system lets go of it when
the process ends, however it ends. The files lie in CARRYOVER_LEASES, by default a folder in the system's temporary directory:
jobs that share devices must see the same one. Jobs of a SLURM allocation lease among the devices of that allocation alone:
two allocations may both call theirs 0.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")
FOLDER = "CARRYOVER_LEASES"
SECONDS_BETWEEN_TRIES = 0.5
_held: list[FileLock] = []  # until this process ends: a lock that nobody refers to is released


def lease(wanted: int, devices: Sequence[str]) -> list[str]:
    """Leases `wanted` of these devices, or all where there are fewer, until this process ends; waits while others hold them.

    Several are taken together or not at all, so that two waiting jobs never hold half each. Raises BadInput where the lock
    files cannot be made.
    """
    wanted, waiting = min(wanted, len(devices)), False
    while True:
        taken = {}
        for device in devices if wanted else ():
            lock = _lock_of(device)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            except OSError as error:
                raise BadInput(
                    f"cannot lock {lock.lock_file}: {error.strerror or error}; set {FOLDER} to a folder on a local disk"
                ) from error
            taken[device] = lock
            if len(taken) == wanted:
                break
        if len(taken) == wanted:
            _held.extend(taken.values())
            return list(taken)
        for lock in taken.values():
            lock.release()
        if not waiting:
            log.info("waiting for %d of the GPUs %s: other jobs hold them", wanted, ", ".join(devices))
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def _lock_of(device: str) -> FileLock:
    folder = Path(os.environ.get(FOLDER) or Path(tempfile.gettempdir(), "carryover-leases"))
    allocation = f"slurm-{os.environ['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in os.environ else ""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # for the jobs of other users, whatever the umask
    except OSError as error:
        raise BadInput(f"cannot make {folder}: {error.strerror}; set {FOLDER} to a folder on a local disk") from error
    return FileLock(folder / f"{allocation}gpu-{device.replace('/', '-')}.lock", mode=0o666)
