"""How many rows a batch takes where nothing is learned, so that only time depends on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

GRID, GRID_ON_GPU = 4096, 65536  # places of the attention grid in a batch: enough to keep the device busy


def grid_of(device: torch.device) -> int:
    """How many places a batch may take on this device."""
    return GRID if device.type == "cpu" else GRID_ON_GPU


def by_width(widths: np.ndarray, grid: int) -> Iterator[list[int]]:
    """Rows batched by width, so that rows times the widest stays within `grid`; a row that is wider alone is a batch."""
    batch: list[int] = []
    widest = 0
    for row in np.argsort(widths, kind="stable"):
        widest = max(widest, widths[row])
        if batch and (len(batch) + 1) * widest > grid:
            yield batch
            batch, widest = [], widths[row]
        batch.append(row)
    if batch:
        yield batch
