"""A SLURM of one node with pretended GPUs, from Debian's packages, for as long as a test needs it.

No accounting, no control groups, and more cores and memory than there may be: it schedules, and enforces nothing. The
programs that it needs know one place for their configuration, /etc/slurm, so a machine with a SLURM of its own is left alone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "# written by the tests of Carryover, and removed by them"
ETC = Path("/etc/slurm")
PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd", "slurmstepd")
GPU_MODEL = "pretended"


def missing() -> str:
    """Why there cannot be a cluster here; empty where there can. Installs Debian's packages where they are not."""
    if os.getuid() != 0:
        return "a SLURM is started by root only"
    if not Path("/etc/debian_version").exists() or not shutil.which("apt-get"):
        return "SLURM is installed on Debian only"
    config = ETC / "slurm.conf"
    if config.exists() and MARK not in config.read_text():
        return f"this machine has a SLURM of its own ({config})"
    if running := daemons():
        return f"this machine runs {running[0]} already"
    if not all(program_of(name) for name in DAEMONS[:3]):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update", "-qq"], install):
            made = subprocess.run(
                command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True
            )
            if made.returncode:
                return f"{' '.join(command)} failed: {made.stderr.strip().splitlines()[-1:]}"
        for service in ("slurmd", "slurmctld", "munge"):  # the packages may start their own
            subprocess.run(["service", service, "stop"], capture_output=True)
    return ""


def program_of(name: str) -> str | None:
    """The path of a daemon's program, which may be where a user's PATH does not look."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def daemons() -> list[str]:
    """The names of SLURM's and MUNGE's processes on this machine."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = lines[0].split()[1]
        if name in DAEMONS and "Z" not in lines[2].split()[1]:
            found.append(name)
    return found


def wait_for(true: Callable[[], object], seconds: float, what: str) -> None:
    """Waits until it is true; raises TimeoutError naming what it waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Cluster:
    """The daemons and their directory; `start` and `stop` take one of them by name."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.processes = directory, {}
        self.host = socket.gethostname().split(".")[0]

    def start(self, name: str) -> None:
        program, user = program_of(name), "munge" if name == "munged" else None
        with (self.directory / f"{name}.out").open("a") as log:
            foreground = "--foreground" if name == "munged" else "-D"
            self.processes[name] = subprocess.Popen([program, foreground], stdout=log, stderr=log, user=user)

    def stop(self, name: str) -> None:
        if process := self.processes.pop(name, None):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def succeeds(self, *command: str) -> bool:
        """Whether a command works; raises RuntimeError with its last message where a daemon has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: {(self.directory / f'{name}.out').read_text()[-1000:]}")
        return subprocess.run(command, capture_output=True).returncode == 0

    def state(self) -> str:
        """The node's state, in lower case."""
        return output("sinfo", "--noheader", "--format=%T").split()[0].lower()

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Every job that the controller remembers, by number; in these states, if any are given."""
        fields = ("JobArrayID", "State", "Comment", "tres-per-job", "Partition", "MinMemory", "TimeLimit")
        wanted = ",".join(f"{field}:250|" for field in fields)
        table = output("squeue", "--noheader", "--states=all", "--sort=i", f"--Format={wanted}")
        names = ("id", "state", "comment", "gpus", "partition", "memory", "time")
        rows = [dict(zip(names, map(str.strip, line.split("|")[:-1]), strict=True)) for line in table.splitlines()]
        return [row for row in rows if not states or row["state"] in states]


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """A running cluster with the partitions `cpu` and `gpu`; nothing of it is left afterwards."""
    made = Cluster(directory)
    try:
        _configure(made)
        for folder in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.chown(folder, "munge", "munge")
        for name in DAEMONS[:3]:
            made.start(name)
            if name == "munged":
                wait_for(lambda: made.succeeds("munge", "--no-input"), 30, "munged to answer")
        wait_for(lambda: made.succeeds("sinfo") and made.state() == "idle", 60, "the node to be idle")
        yield made
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        end = time.monotonic() + 60
        while "slurmstepd" in daemons() and time.monotonic() < end:  # a job's own daemon ends with it
            time.sleep(0.5)
        for name in ("slurmd", "slurmctld", "munged"):
            made.stop(name)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)


def _configure(made: Cluster) -> None:
    ETC.mkdir(exist_ok=True)
    for name in ("state", "spool"):
        (made.directory / name).mkdir(parents=True)
    settings = {
        "ClusterName": "carryover-test",
        "SlurmctldHost": f"{made.host}(127.0.0.1)",
        "SlurmUser": "root",
        "StateSaveLocation": made.directory / "state",
        "SlurmdSpoolDir": made.directory / "spool",
        "SlurmctldPidFile": made.directory / "slurmctld.pid",
        "SlurmdPidFile": made.directory / "slurmd.pid",
        "ProctrackType": "proctrack/pgid",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "SchedulerParameters": "sched_interval=1,batch_sched_delay=0,default_queue_depth=500",
        "GresTypes": "gpu",
        "AuthInfo": "cred_expire=5",  # a requeued job waits until its credential has expired: two minutes by default
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SlurmdParameters": "config_overrides",
        "ReturnToService": 2,
        "MinJobAge": 7200,  # seconds for which an ended job is remembered
        "MpiDefault": "none",
    }
    node = f"NodeName={made.host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:{GPU_MODEL}:2 State=UNKNOWN"
    partitions = [
        f"PartitionName={name} Nodes={made.host} Default={default} MaxTime=120 State=UP"
        for name, default in (("cpu", "YES"), ("gpu", "NO"))
    ]
    lines = [MARK, *(f"{name}={value}" for name, value in settings.items()), node, *partitions]
    (ETC / "slurm.conf").write_text("\n".join(lines) + "\n")
    gpus = [f"Name=gpu Type={GPU_MODEL} File=/dev/{device}" for device in ("null", "zero")]
    (ETC / "gres.conf").write_text("\n".join([MARK, *gpus]) + "\n")
