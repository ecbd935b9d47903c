"""Batches without padding: how a list of token sequences becomes one row of tokens, and back.

Everything in GPT-2 except attention treats tokens one by one, so a batch is held as the N real tokens of all its
sequences in a row. Only attention needs sequences: there the tokens are laid out in a [rows, width] grid. The empty
places of the grid stand after the tokens of their row, where causality hides them.

Examples that share a premise are one row of the grid, a tree, whose tokens see their own beginnings alone. All beginnings that
sequences of a batch have in common are computed once, also where rows share them (a template's first words). That gives each
example the hidden states it has alone, for less work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor


class _Laid(torch.autograd.Function):
    """The gradient is that of the places that hold a token of their own."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, places: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        return tokens.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return grad.index_select(0, slots), None, None


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch stand in the grid of attention.

    slots: [N], the place of each token in the grid, flattened (row * width + column).
    mask: [rows, 1, width, width], 0 where a query (dimension 2) may see a key (dimension 3), else minus infinity: what is
    added to the scores of attention; None: causal.
    shared: [rows * width], the token of each place, where a token can stand in several rows; `slots` are then the first ones.
    """

    rows: int
    width: int
    slots: Tensor
    mask: Tensor | None = None
    shared: Tensor | None = None

    def spread(self, tokens: Tensor) -> Tensor:
        """[N, C] to [rows, width, C], zeros where the grid is empty."""
        grid = tokens.new_zeros(self.rows * self.width, tokens.shape[-1])
        return grid.index_copy(0, self.slots, tokens).view(self.rows, self.width, -1)

    def lay(self, tokens: Tensor) -> Tensor:
        """As `spread`, but that the empty places hold some token: where nothing looks at them, this takes a third of the time."""
        laid = _Laid.apply(tokens, self.places, self.slots) if self.shared is None else tokens.index_select(0, self.shared)
        return laid.view(self.rows, self.width, -1)

    def keep(self, keys: Tensor, values: Tensor) -> None:
        """Told the keys and values of every token, [N, C], by each layer in its turn. Nobody needs them here."""

    @cached_property
    def places(self) -> Tensor:
        """[rows * width], the token of each place; the first one where it is empty."""
        places = torch.zeros(self.rows * self.width, dtype=torch.int64, device=self.slots.device)
        return places.scatter_(0, self.slots, torch.arange(len(self.slots), device=self.slots.device))

    def gather(self, grid: Tensor) -> Tensor:
        """[rows, width, C] back to [N, C]."""
        return grid.reshape(self.rows * self.width, -1).index_select(0, self.slots)

    def to(self, device: torch.device) -> Layout:
        """The same layout on another device."""
        mask, shared = (None if part is None else move(part, device) for part in (self.mask, self.shared))
        return Layout(self.rows, self.width, move(self.slots, device), mask, shared)


@dataclass(frozen=True)
class Packed:
    """A batch: token ids and positions [N], their layout, and the tokens whose output is wanted.

    ends: [Q], places in the row of N tokens. ends_layout: the grid of these Q queries; its mask is
    [rows, 1, queries, width].
    """

    ids: Tensor
    positions: Tensor
    layout: Layout
    ends: Tensor
    ends_layout: Layout

    def sequences(self) -> tuple[Tensor, Tensor]:
        """The sequences that end at `ends`, one a row: places in the row of N tokens [Q, T], and which of them are real.

        What is not real stands on the right.
        """
        grid, asked = self.layout, self.ends_layout
        held = grid.places if grid.shared is None else grid.shared
        assert asked.mask is not None  # `pack` and `pack_trees` say of every query what it sees
        seen = asked.mask.eq(0).flatten(0, 2).index_select(0, asked.slots)  # [Q, width]
        first = (~seen).to(torch.int8).sort(dim=1, stable=True).indices[:, : int(seen.sum(dim=1).max())]
        tokens = held.view(grid.rows, grid.width)[asked.slots // asked.width].gather(1, first)
        return tokens, seen.gather(1, first)

    def longest(self) -> int:
        """The tokens of the longest of these sequences."""
        return int(self.positions[self.ends].max()) + 1

    def to(self, device: torch.device) -> Packed:
        """The same batch on another device."""
        ids, positions, ends = (move(part, device) for part in (self.ids, self.positions, self.ends))
        return Packed(ids, positions, self.layout.to(device), ends, self.ends_layout.to(device))


def move(part: Tensor, device: torch.device) -> Tensor:
    """A tensor on another device. From pinned memory, so that nothing waits for a copy to a GPU."""
    return part.to(device) if device.type == "cpu" else part.pin_memory().to(device, non_blocking=True)


def pack(sequences: Sequence[np.ndarray]) -> Packed:
    """Sequences of token ids, each a row of its own; the output is wanted at the last token of each."""
    lengths = np.array([len(sequence) for sequence in sequences])
    rows, width = len(sequences), int(lengths.max())
    inside = np.arange(width) < lengths[:, None]
    positions = np.nonzero(inside)[1]
    # A single query a row sees all of its row: true up to its own length.
    ends_mask = _to_add(inside).view(rows, 1, 1, width)
    return Packed(
        ids=torch.from_numpy(np.concatenate(sequences).astype(np.int64)),
        positions=torch.from_numpy(positions),
        layout=Layout(rows, width, torch.from_numpy(np.flatnonzero(inside))),
        ends=torch.from_numpy(np.cumsum(lengths) - 1),
        ends_layout=Layout(rows, 1, torch.arange(rows), ends_mask),
    )


def pack_trees(groups: Sequence[Sequence[np.ndarray]]) -> Packed:
    """Groups of sequences, each a row: what sequences begin with in common, in a group or across groups, is computed once.

    The outputs come in the order of the sequences, group after group.
    """
    trie = _trie([sequence for group in groups for sequence in group])
    bounds = np.cumsum([len(group) for group in groups])[:-1].tolist()
    trees = [np.unique(np.concatenate(trie.paths[start:stop])) for start, stop in pairwise([0, *bounds, len(trie.paths)])]
    rows, width = len(trees), max(map(len, trees))
    queries = max(map(len, groups))
    inside = np.arange(width) < np.array([[len(tokens)] for tokens in trees])
    asked = np.arange(queries) < np.array([[len(group)] for group in groups])
    places, asking = np.zeros((rows, width), np.int64), np.zeros((rows, queries), np.int64)
    places[inside], ends = np.concatenate(trees), np.array([path[-1] for path in trie.paths])
    asking[asked] = ends

    def seen_by(queries: np.ndarray) -> np.ndarray:
        """What the tokens [rows, Q] see of their rows, [rows, Q, width]: those whose continuations they are among."""
        queries, keys = queries[:, :, None], places[:, None, :]
        return (keys <= queries) & (queries <= trie.last[keys]) & inside[:, None, :]

    # An empty place sees something, so that no row of the softmax is empty; nothing else sees it.
    mask, ends_mask = seen_by(places) | np.eye(width, dtype=bool), seen_by(asking)
    ends_mask[~asked, 0] = True
    slots = np.unique(places[inside], return_index=True)[1]
    return Packed(
        ids=torch.from_numpy(trie.ids),
        positions=torch.from_numpy(trie.positions),
        layout=Layout(
            rows,
            width,
            torch.from_numpy(np.flatnonzero(inside)[slots]),
            _to_add(mask)[:, None],
            torch.from_numpy(places.ravel()),
        ),
        ends=torch.from_numpy(ends),
        ends_layout=Layout(rows, queries, torch.from_numpy(np.flatnonzero(asked)), _to_add(ends_mask)[:, None]),
    )


def tree_width(sequences: Sequence[np.ndarray]) -> int:
    """An upper bound of the places that a group takes: what all share counts once, what only some share counts for each."""
    shared = common_prefix(sequences)
    return sum(len(sequence) for sequence in sequences) - (len(sequences) - 1) * shared


def common_prefix(sequences: Sequence[np.ndarray]) -> int:
    """How many leading tokens all of the sequences share."""
    shortest = min(len(sequence) for sequence in sequences)
    first = sequences[0][:shortest]
    same = np.ones(shortest, dtype=bool)
    for other in sequences[1:]:
        same &= first == other[:shortest]
    return shortest if same.all() else int(np.argmin(same))


def _to_add(seen: np.ndarray) -> Tensor:
    """A mask that is added to scores, of one that is true where a key may be seen: made once, not again in every block."""
    return torch.zeros(seen.shape).masked_fill_(torch.from_numpy(~seen), -torch.inf)


@dataclass(frozen=True)
class _Trie:
    """Every beginning of some sequences once, numbered so that those that continue it come right after it.

    ids, positions: [N], of its last token; last: [N], the number of the last beginning that continues it, or its own. paths: for
    each sequence the numbers of its beginnings, from the shortest on.
    """

    ids: np.ndarray
    positions: np.ndarray
    last: np.ndarray
    paths: list[np.ndarray]


def _trie(sequences: Sequence[np.ndarray]) -> _Trie:
    paths: list[np.ndarray] = [np.empty(0, np.int64)] * len(sequences)
    ids, positions, count = [], [], 0
    last = np.empty(sum(map(len, sequences)), np.int64)
    before, path = sequences[0][:0], paths[0]
    # In the order of a dictionary, what a sequence shares with any before it, it shares with the one just before it.
    for place in sorted(range(len(sequences)), key=lambda place: sequences[place].astype(">u4").tobytes()):
        sequence = sequences[place]
        shared = common_prefix([before, sequence])
        last[path[shared:]] = count - 1
        before, path = sequence, np.concatenate([path[:shared], np.arange(count, count + len(sequence) - shared)])
        paths[place] = path
        ids.append(sequence[shared:])
        positions.append(np.arange(shared, len(sequence)))
        count += len(sequence) - shared
    last[path] = count - 1
    return _Trie(np.concatenate(ids).astype(np.int64), np.concatenate(positions), last[:count], paths)
