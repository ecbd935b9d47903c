"""The device of a job: GPUs that it leases where it was given any and there are any, else the CPU with a fixed number of
threads."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import torch

from carryover.runtime.errors import BadInput
from carryover.runtime.leases import lease

log = logging.getLogger("carryover")
PROCESSOR = Path("/proc/cpuinfo")
BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # a processor has products in bf16: two names of x86, and one of ARM
VISIBLE = "CUDA_VISIBLE_DEVICES"  # what AMD's ROCm reads too; of the rest here only the cuBLAS setting is of one vendor


def choose_device(gpus: int, threads: int) -> torch.device:
    """The device, and the number of threads set: it is part of what a result depends on, so never the machine's own.

    Of several leased devices it is the first. No other device is visible from then on, to this process and those it starts.
    """
    torch.set_num_threads(threads)
    # torch.use_deterministic_algorithms would also import PyTorch's compiler, to tell it: as long as importing PyTorch itself.
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a check of our code, not a need: it costs 2 % of a step
    visible = visible_devices() if gpus else []
    if leased := lease(gpus, visible):
        os.environ[VISIBLE] = ",".join(leased)  # before CUDA starts: counting devices does not start it
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU's sums can differ from run to run
        log.info("leased GPU %s of %s", ", ".join(leased), ", ".join(visible))
    device = own_accelerator() if leased else None
    if device:
        log.info("device: %s", torch.get_device_module(device).get_device_name())
        return torch.device(device.type)
    if gpus:
        log.warning("gpu=%d was asked for, and no GPU is visible: running on the CPU", gpus)
    return torch.device("cpu")


def check_precision(precision: str, device: torch.device) -> None:
    """Raises BadInput for bf16 on a processor that would only emulate it, at a fifth of its speed in fp32."""
    if precision != "bf16" or device.type != "cpu":
        return
    if not has_bf16(described := _described()):
        raise BadInput(
            f"precision bf16: this processor ({processor(described)}) has neither avx512_bf16 nor amx_bf16 among its flags and "
            "would emulate it, slower than fp32; set precision: fp32 in the config, or run where there is a GPU"
        )


def processor(described: str | None = None) -> str:
    """What kind of processor this is, as Linux names it."""
    name = re.search(r"^model name\s*:\s*(.+)$", _described() if described is None else described, re.MULTILINE)
    return name[1].strip() if name else "unknown"


def _described() -> str:
    try:
        return PROCESSOR.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def has_bf16(described: str) -> bool:
    """Whether a processor computes in bf16. described: what Linux says of it, the text of /proc/cpuinfo."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", described, re.MULTILINE)
    return bool(flags and set(flags[1].split()) & set(BF16))


def own_accelerator() -> torch.device | None:
    """The accelerator that this process uses, with its number; None where there is none."""
    kind = torch.accelerator.current_accelerator(check_available=True)
    return kind and torch.device(kind.type, torch.accelerator.current_device_index())


def visible_devices() -> list[str]:
    """The names of the devices that this process may use: those that a scheduler or user left visible, or all."""
    left = os.environ.get(VISIBLE)
    if left is None:
        return [str(number) for number in range(torch.accelerator.device_count())]
    return [name for name in map(str.strip, left.split(",")) if name not in ("", "-1", "NoDevFiles")]
