"""Batches without padding: how a list of token sequences becomes one row of tokens, and back.

Everything in GPT-2 except attention treats tokens one by one, so a batch is held as the N real tokens of all its
sequences in a row. Only attention needs sequences: there the tokens are laid out in a [rows, width] grid. The empty
places of the grid stand after the tokens of their row, where causality hides them.

Examples that share a premise are one row of the grid, a tree: the common beginning once, then each ending, whose
tokens see the beginning and themselves. That gives each example the hidden states it has alone, for less work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


class _Laid(torch.autograd.Function):
    """The gradient is that of the places that hold a token of their own."""

    @staticmethod
    def forward(ctx, tokens: Tensor, places: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        return tokens.index_select(0, places)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return grad.index_select(0, slots), None, None


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch stand in the grid of attention.

    slots: [N], the place of each token in the grid, flattened (row * width + column).
    mask: [rows, 1, width, width], 0 where a query (dimension 2) may see a key (dimension 3), else minus infinity: what is
    added to the scores of attention; None: causal.
    """

    rows: int
    width: int
    slots: Tensor
    mask: Tensor | None = None

    def spread(self, tokens: Tensor) -> Tensor:
        """[N, C] to [rows, width, C], zeros where the grid is empty."""
        grid = tokens.new_zeros(self.rows * self.width, tokens.shape[-1])
        return grid.index_copy(0, self.slots, tokens).view(self.rows, self.width, -1)

    def lay(self, tokens: Tensor) -> Tensor:
        """As `spread`, but that the empty places hold some token: where nothing looks at them, this takes a third of the time."""
        return _Laid.apply(tokens, self.places, self.slots).view(self.rows, self.width, -1)

    @cached_property
    def places(self) -> Tensor:
        """[rows * width], the token of each place; the first one where it is empty."""
        places = torch.zeros(self.rows * self.width, dtype=torch.int64, device=self.slots.device)
        return places.scatter_(0, self.slots, torch.arange(len(self.slots), device=self.slots.device))

    def gather(self, grid: Tensor) -> Tensor:
        """[rows, width, C] back to [N, C]."""
        return grid.reshape(self.rows * self.width, -1).index_select(0, self.slots)


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

    def to(self, device: torch.device) -> Packed:
        """The same batch on another device."""
        return Packed(*(move(part, device) for part in (self.ids, self.positions, self.layout, self.ends, self.ends_layout)))


def move(part: Tensor | Layout, device: torch.device) -> Tensor | Layout:
    """A tensor or a layout on another device. From pinned memory, so that nothing waits for a copy to a GPU."""
    if isinstance(part, Tensor):
        return part.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else part.to(device)
    mask = None if part.mask is None else move(part.mask, device)
    return Layout(part.rows, part.width, move(part.slots, device), mask)


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
    """Groups of sequences, each a row: what all of a group begin with stands once.

    The outputs come in the order of the sequences, group after group.
    """
    trees = [_tree(group) for group in groups]
    lengths = np.array([len(ids) for ids, _, _, _ in trees])
    rows, width = len(trees), int(lengths.max())
    queries = max(len(ends) for *_, ends in trees)
    mask = np.zeros((rows, width, width), dtype=bool)
    mask[:, np.arange(width), np.arange(width)] = True  # an empty place sees itself: a row of no keys is not a number
    ends_mask = np.zeros((rows, queries, width), dtype=bool)
    ends_mask[:, :, 0] = True
    ends_slots, starts = [], np.cumsum(lengths) - lengths
    for row, (ids, _, sees, ends) in enumerate(trees):
        mask[row, : len(ids), : len(ids)] = sees
        ends_mask[row, : len(ends), : len(ids)] = sees[ends]
        ends_slots.append(row * queries + np.arange(len(ends)))
    inside = np.arange(width) < lengths[:, None]
    return Packed(
        ids=torch.from_numpy(np.concatenate([ids for ids, *_ in trees]).astype(np.int64)),
        positions=torch.from_numpy(np.concatenate([positions for _, positions, _, _ in trees])),
        layout=Layout(rows, width, torch.from_numpy(np.flatnonzero(inside)), _to_add(mask)[:, None]),
        ends=torch.from_numpy(np.concatenate([start + ends for start, (*_, ends) in zip(starts, trees, strict=True)])),
        ends_layout=Layout(rows, queries, torch.from_numpy(np.concatenate(ends_slots)), _to_add(ends_mask)[:, None]),
    )


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


def _tree(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One row: ids, positions, what sees what [T, T], and the last token of each sequence."""
    # The last token is each sequence's own even where one is the beginning of another.
    shared = min(common_prefix(sequences), min(len(sequence) for sequence in sequences) - 1)
    ids, positions, branch = [sequences[0][:shared]], [np.arange(shared)], [np.full(shared, -1)]
    for number, sequence in enumerate(sequences):
        ids.append(sequence[shared:])
        positions.append(np.arange(shared, len(sequence)))
        branch.append(np.full(len(sequence) - shared, number))
    branches = np.concatenate(branch)
    sees = np.tri(len(branches), dtype=bool) & ((branches[None, :] == -1) | (branches[None, :] == branches[:, None]))
    ends = np.cumsum([len(sequence) - shared for sequence in sequences]) + shared - 1
    return np.concatenate(ids), np.concatenate(positions), sees, ends
