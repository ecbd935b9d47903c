"""GPT-2 token by token: a model that has read something reads on without reading it again.

What attention needs of the past, the keys and values of every block, is kept. The rows of a batch are padded on the left, so
that they all go on in the same column; positions are counted over real tokens alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from carryover.models.gpt2 import GPT2Model


@dataclass
class Cache:
    """What a model has read of a batch of B rows.

    keys, values: [L, B, H, room, d], of which `width` columns are filled; real: [B, room], false at padding.
    """

    keys: Tensor
    values: Tensor
    real: Tensor
    width: int = 0

    @classmethod
    def empty(cls, model: GPT2Model, rows: int, room: int) -> Cache:
        """Nothing read yet, and room for so many columns."""
        shape, like = model.config, model.token_embedding.weight
        size = (shape.n_layer, rows, shape.n_head, room, shape.n_embd // shape.n_head)
        real = torch.zeros(rows, room, dtype=torch.bool, device=like.device)
        return cls(like.new_empty(size), like.new_empty(size), real)

    def of_rows(self, rows: Tensor) -> Cache:
        """The same for some of the rows, given by their places."""
        return replace(self, keys=self.keys[:, rows], values=self.values[:, rows], real=self.real[rows])


def read(model: GPT2Model, cache: Cache, ids: Tensor, real: Tensor) -> Tensor:
    """Reads T more columns into the cache; returns the hidden state of the last one, [B, D].

    ids: [B, T]; real: [B, T], false where `ids` is padding, which no token sees.
    """
    start, width = cache.width, cache.width + ids.shape[1]
    cache.real[:, start:width] = real
    seen = cache.real[:, :width]
    columns = torch.arange(width, device=ids.device)
    queries = columns[start:, None]
    # Padding sees itself, so that no row of the softmax is empty.
    mask = (queries >= columns) & seen[:, None] | (queries == columns)
    hidden = model.embed(ids, (seen.cumsum(dim=1)[:, start:] - 1).clamp(min=0))
    for layer, keys, values in zip(model.layers, cache.keys, cache.values, strict=True):
        attention = layer.attention
        query, key, value = (attention._heads(part) for part in attention.qkv(layer.attention_norm(hidden)).chunk(3, dim=-1))
        keys[:, :, start:width], values[:, :, start:width] = key, value
        context = attention.attention(query, keys[:, :, :width], values[:, :, :width], mask[:, None])
        hidden = layer._feed_forward(layer.add(hidden, context, layer.attention_dense))
    cache.width = width
    return model.final_layer_norm(hidden[:, -1])
