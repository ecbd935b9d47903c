"""GPT-2 token by token: what it has read, so that it reads on without reading that again.

What attention needs of the past, the keys and values of every block, is kept. The rows of a batch are padded on the left, so
that they all go on in the same column; positions are counted over real tokens alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass
class GPT2Cache:
    """What a model has read of a batch of B rows.

    keys, values: [L, B, H, room, d], of which `width` columns are filled; real: [B, room], false at padding.
    """

    keys: Tensor
    values: Tensor
    real: Tensor
    width: int = 0

    def of_rows(self, rows: Tensor) -> GPT2Cache:
        """The same for some of the rows, given by their places."""
        return replace(self, keys=self.keys[:, rows], values=self.values[:, rows], real=self.real[rows])

    def extend(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Takes up T more columns, `real` [B, T]; returns their positions [B, T] and what they see, [B, 1, T, width]."""
        start, self.width = self.width, self.width + real.shape[1]
        self.real[:, start : self.width] = real
        seen = self.real[:, : self.width]
        columns = torch.arange(self.width, device=real.device)
        queries = columns[start:, None]
        # Padding sees itself, so that no row of the softmax is empty.
        mask = (queries >= columns) & seen[:, None] | (queries == columns)
        return (seen.cumsum(dim=1)[:, start:] - 1).clamp(min=0), mask[:, None]
