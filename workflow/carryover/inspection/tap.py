"""A tap: what happens inside a model while it reads, without changing what it answers.

Hidden states come from hooks on the blocks, neurons from hooks on the linear maps in front of the activation function, and
attention weights from the model itself, since fused kernels return none. One pass serves all three. Works for every
`LanguageModel`, packed or padded; sequences are rows of their own (`carryover.models.packing.pack`).

Shapes: n sentences, N tokens of a batch, L blocks (and so L + 1 hidden states: 0 is what the first block is given), D the width,
H heads, F neurons of a block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carryover.inspection.attention import MEASURES, measures
from carryover.models.batching import by_width, grid_of
from carryover.models.interface import LanguageModel
from carryover.models.packing import Packed, pack
from carryover.models.surprisal import surprisal
from carryover.runtime.errors import BadInput

INTO_NEURONS = ("gate_proj", "c_fc", "dense_h_to_4h")  # the maps whose output goes through the activation function
OUT_OF_NEURONS = ("down_proj", "mlp.c_proj", "dense_4h_to_h")  # the maps that read the neurons
Told = Callable[[int, Tensor], None]


@dataclass(frozen=True)
class Reading:
    """What a model did with n sentences.

    pooled [n, S, D]: the mean over a sentence's tokens, without the first, of each of S hidden states (the first token, which
    nothing stands before, has an outlier's norm in most models; a sentence of one token has nothing else); whole [n, S, D]: the
    mean over all tokens; attention [n, L, H, k]: the k measures of `inspection.attention`, NaN where a sentence is too short;
    active [L, F]: on how many tokens a neuron was positive; tokens [n]: of each sentence; nats [n]: -log p of its tokens but the
    first, which nothing predicts.
    """

    pooled: np.ndarray
    whole: np.ndarray
    attention: np.ndarray
    active: np.ndarray
    tokens: np.ndarray
    nats: np.ndarray


def tap(model: LanguageModel, batch: Packed, states: Told | None, attention: Told | None, neurons: Told | None) -> Tensor:
    """`forward_packed` of a batch, hidden states [N, D], while each function that is given is told what it is named for.

    states: of the number of a hidden state, 0 to L, and its value [N, D], before the last norm; attention: of a block's number
    and its weights [rows, H, width, width]; neurons: of a block's number and what goes into its activation function, [N, F].
    """
    with ExitStack() as hooks:
        if states:
            hooks.enter_context(_states(model, batch, states))
        if attention:
            hooks.enter_context(model.watched(attention))
        if neurons:
            hooks.enter_context(_neurons(model, batch, neurons))
        return model.forward_packed(batch)


def in_row(values: Tensor, batch: Packed) -> Tensor:
    """[N, C] of values as modules see them: the row itself, with a dimension in front, or in the grid of a padded batch."""
    if values.dim() == 2:
        return values
    return values[0] if values.shape[:2] == (1, len(batch.ids)) else batch.layout.gather(values)


@contextmanager
def _states(model: LanguageModel, batch: Packed, told: Told) -> Iterator[None]:
    def before(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        told(0, in_row(inputs[0] if inputs else named["hidden_states"], batch))

    def after(number: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            told(number, in_row(output[0] if isinstance(output, tuple) else output, batch))

        return hook

    blocks = model.blocks
    handles = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
    handles += [block.register_forward_hook(after(number)) for number, block in enumerate(blocks, 1)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _neurons(model: LanguageModel, batch: Packed, told: Told) -> Iterator[None]:
    def hook(number: int) -> Callable[..., None]:
        def told_of(module: nn.Module, inputs: Any, output: Tensor) -> None:  # what a hook returns would replace the output
            told(number, in_row(output, batch))

        return told_of

    found = neuron_maps(model, INTO_NEURONS)
    handles = [module.register_forward_hook(hook(number)) for number, module in enumerate(found)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def neuron_maps(model: LanguageModel, endings: Sequence[str]) -> list[nn.Module]:
    """The linear map of each block whose name ends like one of these, in the order of the blocks."""
    named = {name: module for name, module in model.linears().items() if name.endswith(tuple(endings))}
    found = sorted(named, key=lambda name: int(re.findall(r"\.(\d+)\.", name)[0]))
    assert len(found) == model.facts.layers, f"{len(found)} maps {endings} in {model.facts.layers} blocks"
    return [named[name] for name in found]


@torch.inference_mode()
def read(model: LanguageModel, sequences: Sequence[np.ndarray], states: Sequence[int], window: int) -> Reading:
    """Reads sentences, in batches by length, and keeps what `Reading` says.

    sequences: token ids of each; states: the numbers of the hidden states that are kept; window: the first tokens of a sentence
    of which attention is measured.
    """
    model.eval()
    device, facts, n = next(model.parameters()).device, model.facts, len(sequences)
    lengths = np.array([len(sequence) for sequence in sequences])
    pooled = np.zeros((n, len(states), facts.width), np.float32)
    attention = np.full((n, facts.layers, facts.heads, len(MEASURES)), np.nan, np.float32)
    active, nats = np.zeros((facts.layers, facts.feed_forward), np.int64), np.zeros(n)
    reading = Reading(pooled, np.zeros_like(pooled), attention, active, lengths, nats)
    place = {state: number for number, state in enumerate(states)}
    for rows in by_width(lengths, grid_of(device)):
        batch = pack([sequences[row] for row in rows]).to(device)
        keep = _Keeping(reading, place, window, np.array(rows), torch.from_numpy(lengths[rows]).to(device))
        hidden = tap(model, batch, keep.state, keep.attention, keep.neurons)
        nats[rows] = sentence_nats(model, batch, hidden)
    return reading


def sentence_nats(model: LanguageModel, batch: Packed, hidden: Tensor) -> np.ndarray:
    """-log p of the tokens of each sentence but its first, [B]; batch: of `pack`; hidden [N, D]: of `forward_packed`."""
    follows = torch.nonzero(batch.positions > 0).squeeze(1)  # each predicted by the token before it in the row
    lost = hidden.new_zeros(len(batch.ids))
    lost[follows] = surprisal(model, hidden[follows - 1], batch.ids[follows])
    sums = lost.double().cumsum(0)[batch.ends]
    return np.diff(sums.cpu().numpy(), prepend=0.0)


@dataclass(frozen=True)
class _Keeping:
    """Puts what a tap tells of a batch into the reading.

    place: of each hidden state that is kept, by number; rows [B]: the batch's sentences; counts [B]: their tokens.
    """

    reading: Reading
    place: dict[int, int]
    window: int
    rows: np.ndarray
    counts: Tensor

    def state(self, number: int, hidden: Tensor) -> None:
        if number not in self.place:
            return
        owner = torch.repeat_interleave(torch.arange(len(self.rows), device=hidden.device), self.counts)
        sums = hidden.new_zeros(len(self.rows), hidden.shape[1]).index_add_(0, owner, hidden)
        firsts, counts = hidden[self.counts.cumsum(0) - self.counts], self.counts[:, None]
        rest = torch.where(counts > 1, (sums - firsts) / (counts - 1).clamp(min=1), sums)
        self.reading.pooled[self.rows, self.place[number]] = rest.cpu().numpy()
        self.reading.whole[self.rows, self.place[number]] = (sums / counts).cpu().numpy()

    def attention(self, block: int, weights: Tensor) -> None:
        long_enough = torch.nonzero(self.counts >= self.window).squeeze(1)
        if len(long_enough):
            measured = measures(weights[long_enough, :, : self.window, : self.window])
            self.reading.attention[self.rows[long_enough.cpu().numpy()], block] = measured.cpu().numpy()

    def neurons(self, block: int, before: Tensor) -> None:
        self.reading.active[block] += (before > 0).sum(dim=0).cpu().numpy()


def kept_states(asked: Sequence[int] | None, layers: int) -> list[int]:
    """The numbers of the hidden states that are kept of a model of so many blocks: those asked, or all.

    Raises BadInput for one that the model does not have.
    """
    if asked is None:
        return list(range(layers + 1))
    if max(asked) > layers:
        raise BadInput(f"config: interpretability.layers: {max(asked)}, and a model has {layers} blocks")
    return sorted(asked)
