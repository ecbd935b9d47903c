"""One model on several GPUs of one machine: data-parallel fine-tuning under torchrun and DistributedDataParallel.

The job that Snakemake started leases the devices, starts torchrun on its own command line and passes on what the first process
says. Each process takes its share of every batch; the shares' gradients are summed, weighted so that they are those of the whole
batch. So the number of GPUs changes how fast a model is trained and not which: losses agree within rounding, except that dropout
draws other masks. Only the first process writes.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from carryover.runtime import signals
from carryover.runtime.devices import choose_device, own_accelerator, visible_devices
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job
from carryover.training import loop
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import EndOfEpoch, History, Loss, Recipe

log = logging.getLogger("carryover")
LONGEST_WAIT = timedelta(hours=2)  # of the others for the first process, which evaluates alone
NOT_FOR_RANKS = ("--log", "--provenance", "--minutes")  # what the job that started them sees to
KILLED = re.compile(r"exitcode *: -\d")  # of a process, in what torchrun says at the end
OURS = re.compile(r"^\d\d:\d\d:\d\d (.*)")  # a line of the log, as opposed to torchrun's own


def is_rank() -> bool:
    """Whether this process was started by torchrun."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first() -> bool:
    """Whether this process is the one that writes: of several the first, else the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def on_several(work: Callable[[Job], None]) -> Callable[[Job], None]:
    """The same work, on several devices where the job was given several and there are several."""

    @wraps(work)
    def run(job: Job) -> None:
        if is_rank():
            _join(job, work)
        elif job.gpu > 1 and (devices := len(visible_devices())) > 1:
            choose_device(job.gpu, 1)
            _launch(min(job.gpu, devices))
        else:
            work(job)

    return run


def own_device(gpus: int, threads: int) -> torch.device:
    """The device of this process; one of several uses the one of its number, which the job before it leased."""
    if not is_rank():
        return choose_device(gpus, threads)
    processor = choose_device(0, threads)
    return own_accelerator() or processor


def train(
    model: nn.Module,
    rows: int,
    loss_of: Loss,
    at_epoch_end: EndOfEpoch,
    recipe: Recipe,
    seed: int,
    checkpoints: Checkpoints,
    lengths: np.ndarray | None = None,
) -> History:
    """`carryover.training.loop.train`, in each of several processes on its share of every batch; alone where there is one.

    A micro-batch is what one process holds. Gradients are summed over the processes once an update.
    """
    if not is_rank():
        return loop.train(model, rows, loss_of, at_epoch_end, recipe, seed, checkpoints, lengths)
    shared = SharedLoss(model, loss_of)
    if recipe.micro_batch_size:
        recipe = replace(recipe, micro_batch_size=recipe.micro_batch_size * dist.get_world_size())
    checkpoints = SharedCheckpoints(checkpoints.directory, checkpoints.seconds_between, seed)
    told = _told_by_the_first(at_epoch_end)
    return loop.train(model, rows, shared, told, recipe, seed, checkpoints, lengths, shared.parts.no_sync)


class _Share(nn.Module):
    """The loss as a module: what DistributedDataParallel hangs its hooks on."""

    def __init__(self, model: nn.Module, loss_of: Loss) -> None:
        super().__init__()
        self.model, self.loss_of = model, loss_of

    def forward(self, rows: np.ndarray) -> Tensor:
        return self.loss_of(rows)


class SharedLoss:
    """The loss of a whole batch, of which this process computes its share; its gradients become those of the whole batch.

    loss_of: the mean over the rows that it is given. The share of process r of n is every n-th row from the r-th: batches
    that are sorted by length are shared evenly. parts: the module whose gradients are summed.
    """

    def __init__(self, model: nn.Module, loss_of: Loss) -> None:
        self.parts = DistributedDataParallel(_Share(model, loss_of))

    def __call__(self, rows: np.ndarray) -> Tensor:
        number, count = dist.get_rank(), dist.get_world_size()
        mine = rows[number::count]
        weight = len(mine) / len(rows)
        part = self.parts(mine if len(mine) else rows[:1]) * weight  # who has no row in a small last batch still takes part
        whole = part.detach().clone()
        dist.all_reduce(whole)
        # The value of the whole, the gradient of the part; DistributedDataParallel takes the mean of gradients, not the sum.
        return part * count + (whole - part * count).detach()


def _told_by_the_first(at_epoch_end: EndOfEpoch) -> EndOfEpoch:
    def facts() -> dict[str, Any]:
        told = [at_epoch_end() if is_first() else {}]
        dist.broadcast_object_list(told)
        return told[0]

    return facts


class SharedCheckpoints(Checkpoints):
    """Checkpoints that all processes load and the first one writes, with the random states of all."""

    def __init__(self, directory: Path | None, seconds_between: float, seed: int) -> None:
        super().__init__(directory, seconds_between)
        self.seed, self._asked = seed, 0

    def due(self) -> bool:
        """Whether it is time, in any process: asked together, and so only once in a window of updates."""
        self._asked += 1
        if self._asked % loop.WINDOW:
            return False
        due = torch.tensor(float(super().due()), device=own_accelerator() or torch.device("cpu"))
        dist.all_reduce(due, dist.ReduceOp.MAX)
        return bool(due)

    def save(self, update: int, state: dict[str, Any]) -> None:
        """Saves the first process's state, with everybody's random states beside it."""
        states = [None] * dist.get_world_size()
        dist.all_gather_object(states, (state["random"], state["random_of_device"]))
        if is_first():
            super().save(update, {**state, "random_of_all": states})
        self._tried = time.monotonic()
        signals.raise_if_asked(f"after update {update}")

    def load(self) -> dict[str, Any] | None:
        """The newest whole state, with this process's own random states; random states of its own where there are none."""
        state = super().load() if is_first() else None  # which removes what is damaged before the others look
        dist.barrier()
        number = dist.get_rank()
        state = state if is_first() else super().load()
        kept = (state or {}).get("random_of_all", [])
        torch.manual_seed(self.seed + 1_000_003 * number)
        device = own_accelerator()
        random = (torch.get_rng_state(), device and torch.get_device_module(device).get_rng_state())
        if state and (number or len(kept) == dist.get_world_size()):
            state["random"], state["random_of_device"] = kept[number] if len(kept) == dist.get_world_size() else random
        return state


def _join(job: Job, work: Callable[[Job], None]) -> None:
    """One of several processes: at work with the others until the job that started them is done or gone."""
    if not is_first():
        log.setLevel(logging.ERROR)
    threading.Thread(target=_end_with_the_job, name="parent", daemon=True).start()
    if torch.accelerator.is_available():
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
    kind = (own_accelerator() or torch.device("cpu")).type
    dist.init_process_group(dist.get_default_backend_for_device(kind), timeout=LONGEST_WAIT)
    try:
        work(job)
    finally:
        dist.destroy_process_group()


def _end_with_the_job() -> None:
    """The other end of the standard input is the job's: it closes however the job ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _launch(processes: int) -> None:
    """Runs this command line in as many processes. Raises BadInput with the line of the one that failed, or `Stopped`."""
    arguments, skip = [], False
    for argument in sys.argv:
        skip = skip or argument in NOT_FOR_RANKS
        arguments += [] if skip else [argument]
        skip = argument in NOT_FOR_RANKS
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *arguments]
    log.info("training on %d devices", processes)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    running = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert running.stdin and running.stdout  # pipes
    try:
        failed = ""
        others: list[str] = []
        for line in running.stdout:
            said = OURS.match(line)
            if said and said[1].startswith("error: "):
                failed = failed or said[1].removeprefix("error: ")
            elif said:
                log.info(said[1])
            else:
                others = [*others[-50:], line]
        status = running.wait()
    except signals.Stopped:
        running.terminate()
        for line in running.stdout:
            if said := OURS.match(line):
                log.info(said[1])
        running.wait()
        raise
    finally:
        running.kill()
        running.stdin.close()
    if status:
        told = "".join(others)
        if KILLED.search(told) or not failed:  # the others then only say that they lost it
            failed = f"one of the {processes} processes was killed; the next run goes on from the last checkpoint"
        raise BadInput(failed) from RuntimeError(told)
