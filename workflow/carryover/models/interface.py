"""What the rest of the project asks of a model, whatever its architecture.

An implementation is a module of this package, `models/<implementation>.py`, with `load(directory, dropout=None)`, which returns
a `LanguageModel` from a Hugging Face directory: in fp32, in training mode as PyTorch's modules are, with the dropout that is
given (None: what the directory says). Nothing outside that module looks at what a model is made of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from torch import Tensor, nn

from carryover.models.cache import right_aligned
from carryover.models.packing import Packed
from carryover.planning.facts import ModelFacts


class Cache(Protocol):
    """What a model has read of a batch of rows, so that it need not be read again."""

    def of_rows(self, rows: Tensor) -> Self:
        """The same for some of the rows, given by their places."""


C = TypeVar("C", bound=Cache)
Watch = Callable[[int, Tensor], None]  # is told a block's number and its attention weights, [rows, H, width, width]


class LanguageModel(nn.Module, ABC, Generic[C]):
    """A causal language model.

    N is the number of tokens in a packed batch, Q that of the tokens whose output is wanted, D the width and V the vocabulary.
    Hidden states are those after the last norm, what the output projection takes.
    """

    facts: ModelFacts

    @abstractmethod
    def forward_packed(self, batch: Packed) -> Tensor:
        """Hidden states [N, D] of every token of a packed batch."""

    @abstractmethod
    def forward_ends(self, batch: Packed) -> Tensor:
        """Hidden states [Q, D] at the batch's `ends`, in their order."""

    @abstractmethod
    def hidden_state_to_token(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to logits [..., V]."""

    @abstractmethod
    def answer_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target) over the batch's `ends`, in nats, over the whole vocabulary. targets: [Q]."""

    @abstractmethod
    def next_token_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target) over all tokens of a batch, in nats. targets: [N], what comes after each."""

    @abstractmethod
    def empty_cache(self, rows: int, room: int) -> C:
        """Nothing read yet of a batch of so many rows, and room for so many columns."""

    @abstractmethod
    def read(self, cache: C, ids: Tensor, real: Tensor) -> Tensor:
        """Reads T more columns into the cache; returns the hidden state of the last one, [B, D].

        ids: [B, T], rows padded on the left, so that they all go on in the same column; real: [B, T], false where `ids` is
        padding, which no token sees.
        """

    def start(self, batch: Packed, room: int) -> tuple[C, Tensor]:
        """Reads the sequences that end at a batch's `ends`, with room for so many columns more.

        Returns the cache, whose rows they are, and the hidden states at `ends`, [Q, D].
        """
        places, real = right_aligned(*batch.sequences())
        cache = self.empty_cache(len(places), places.shape[1] + room)
        return cache, self.read(cache, batch.ids[places], real)

    @abstractmethod
    def linears(self) -> dict[str, nn.Module]:
        """The linear maps of the blocks by the names that they have in transformers, which peft's files use.

        Each is an `nn.Linear`, or has a `weight` [in, out] and is transposed to one. What is hooked into one takes effect.
        """

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The blocks in their order. Each takes hidden states as its first argument and returns them, alone or first in a tuple.

        They come in the row of a packed batch, [N, D] or [1, N, D], or, of a model whose batches are padded, in the grid of a
        batch whose sequences are rows of their own, [rows, width, D].
        """

    @abstractmethod
    def last_norm(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] as a block leaves them to those that the output projection takes."""

    @abstractmethod
    def watched(self, watch: Watch) -> AbstractContextManager[None]:
        """While it is open, `forward_packed` tells `watch` the attention weights of every block.

        For batches whose sequences are rows of their own (`packing.pack`): a query is dimension 2, a key dimension 3, and
        what stands in empty places of the grid means nothing. Changes no result.
        """

    @abstractmethod
    def save_pretrained(self, directory: str | Path) -> None:
        """Writes a Hugging Face directory, `config.json` and `model.safetensors`, each whole."""
