"""The device of a job: a GPU where it was given one and there is one, else the CPU with a fixed number of threads."""

from __future__ import annotations

import logging

import torch

log = logging.getLogger("carryover")


def choose_device(gpus: int, threads: int) -> torch.device:
    """The device, and the number of threads set: it is part of what a result depends on, so never the machine's own."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a check of our code, not a need: it costs 2 % of a step
    if gpus and torch.cuda.is_available():
        log.info("device: %s", torch.cuda.get_device_name())
        return torch.device("cuda")
    if gpus:
        log.warning("gpu=%d was asked for, and no CUDA device is visible: running on the CPU", gpus)
    return torch.device("cpu")
