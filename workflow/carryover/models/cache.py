"""What a model has read of a batch of rows, so that it reads on without reading that again: the keys and values of every layer.

Prompts are read without padding, as a packed batch, and their keys and values are then laid in rows that all end in the same
column, so that the next token of each goes into the next one; positions are counted over real tokens alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Self

import torch
from torch import Tensor

from carryover.models.packing import Layout, Packed


@dataclass
class KeyValueCache:
    """What a model of L layers has read of a batch of B rows.

    keys, values: [L, B, K, room, d], of which `width` columns are filled; real: [B, room], false at padding.
    """

    keys: Tensor
    values: Tensor
    real: Tensor
    width: int = 0

    @classmethod
    def empty(cls, layers: int, rows: int, heads: int, room: int, head_width: int, like: Tensor) -> Self:
        """Nothing read yet, and room for so many columns, of the type and on the device of `like`."""
        size = (layers, rows, heads, room, head_width)
        real = torch.zeros(rows, room, dtype=torch.bool, device=like.device)
        return cls(like.new_empty(size), like.new_empty(size), real)

    def of_rows(self, rows: Tensor) -> KeyValueCache:
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

    def put(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Lays keys and values [B, K, T, d] of the columns that were taken up last; returns those of all columns of a layer."""
        last = slice(self.width - keys.shape[2], self.width)
        self.keys[layer, :, :, last], self.values[layer, :, :, last] = keys, values
        return self.keys[layer, :, :, : self.width], self.values[layer, :, :, : self.width]

    def filled_by(self, batch: Packed) -> Packed:
        """A packed batch whose sequences, those that end at its `ends`, fill this cache where a model runs it."""
        places, real = right_aligned(*batch.sequences())
        self.extend(real)
        grid = batch.layout
        filling = _Filling(grid.rows, grid.width, grid.slots, grid.mask, grid.shared, cache=self, tokens=places)
        return replace(batch, layout=filling)


@dataclass(frozen=True, kw_only=True)
class _Filling(Layout):
    """A layout that lays what each layer's attention is told into a cache too. tokens: [B, T], those of the cache's rows."""

    cache: KeyValueCache
    tokens: Tensor
    numbers: Iterator[int] = field(default_factory=count)

    def keep(self, keys: Tensor, values: Tensor) -> None:
        heads = self.cache.keys.shape[2]
        laid = (part[self.tokens].unflatten(-1, (heads, -1)).transpose(1, 2) for part in (keys, values))
        self.cache.put(next(self.numbers), *laid)


def right_aligned(tokens: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Rows padded on the right, [B, T] and which are real, as rows that are padded on the left."""
    order = real.to(torch.int8).argsort(dim=1, stable=True)
    return tokens.gather(1, order), real.gather(1, order)
