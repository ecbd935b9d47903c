"""How likely a model finds a text: nats over its own tokens, so that bits per byte and per parallel sentence can be told.

The first token is predicted after what begins a text for the model, which is not predicted itself. Special tokens, also those
that stand in the text, count neither nats nor bytes. A text longer than the context is read in windows that overlap, and each
token is predicted once, by the first window that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer

from carryover.data.tokenizer import END_OF_TEXT, beginning
from carryover.models.batching import by_width, grid_of
from carryover.models.interface import LanguageModel
from carryover.models.packing import pack
from carryover.models.surprisal import surprisal
from carryover.planning.facts import ModelFacts
from carryover.runtime.errors import BadInput
from carryover.runtime.progress import progress


@dataclass(frozen=True)
class Likelihood:
    """Of n texts: nats [n], the negative log-likelihood; tokens and bytes [n] that it is of."""

    nats: np.ndarray
    tokens: np.ndarray
    bytes: np.ndarray


class Window(NamedTuple):
    """Tokens `start` to `stop` of a text are read, and those from `first` on are predicted."""

    start: int
    first: int
    stop: int


def likelihood(
    model: LanguageModel, tokenizer: Tokenizer, texts: Sequence[str], precision: str = "fp32", stride: int | None = None
) -> Likelihood:
    """The likelihood of each text. precision: `fp32` or `bf16`.

    stride: tokens from one window to the next where a text is longer than the context; half the context without one. Raises
    BadInput for a stride that leaves tokens out, and where nothing begins a text for this tokeniser and model.
    """
    before = beginning_of_text(tokenizer, model.facts)
    added = tokenizer.get_added_tokens_decoder().items()
    special = {number: len(token.content.encode()) for number, token in added if token.special}
    encoded = [np.array(encoding.ids, np.int64) for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    plain = [~np.isin(ids, list(special)) for ids in encoded]
    sequences = [np.concatenate([before, ids]) for ids in encoded]
    by_token = token_nats(model, sequences, precision, stride)
    left_out = [sum(special[token] for token in ids[~own].tolist()) for ids, own in zip(encoded, plain, strict=True)]
    return Likelihood(
        nats=np.array([nats[len(before) :][own].sum() for nats, own in zip(by_token, plain, strict=True)], np.float64),
        tokens=np.array([own.sum() for own in plain], np.int64),
        bytes=np.array([len(text.encode()) for text in texts], np.int64) - np.array(left_out, np.int64),
    )


def beginning_of_text(tokenizer: Tokenizer, facts: ModelFacts) -> list[int]:
    """What stands before a text: what the tokeniser's own use puts there, or else the end of the text before it.

    That is the token between the documents of pretraining, where the tokeniser has it, and one that ends the model's texts
    where not. Raises BadInput where there is none of these.
    """
    if own := beginning(tokenizer):
        return own
    between = tokenizer.token_to_id(END_OF_TEXT)
    if between is None and not facts.end_tokens:
        raise BadInput("nothing begins a text: the tokeniser puts no token before it, and neither it nor the model has one after")
    return [facts.end_tokens[0] if between is None else between]


@torch.inference_mode()
def token_nats(
    model: LanguageModel, sequences: Sequence[np.ndarray], precision: str = "fp32", stride: int | None = None
) -> list[np.ndarray]:
    """-log p of each token of each sequence after those before it, in nats; of the first one, which has none, 0.

    In batches without padding. precision, stride: see `likelihood`.
    """
    device, context = next(model.parameters()).device, model.facts.context
    model.eval()
    found = [np.zeros(len(sequence), np.float64) for sequence in sequences]
    asked = [(row, window) for row, sequence in enumerate(sequences) for window in windows(len(sequence), context, stride)]
    lengths = np.array([window.stop - 1 - window.start for _, window in asked], np.int64)
    with progress("likelihood", len(asked)) as counter:
        for places in by_width(lengths, grid_of(device)) if asked else ():
            chosen = [asked[place] for place in places]
            counts = np.array([window.stop - window.first for _, window in chosen])
            batch = pack([sequences[row][window.start : window.stop - 1] for row, window in chosen])
            targets = np.concatenate([sequences[row][window.first : window.stop] for row, window in chosen])
            asking = [np.arange(end - count, end) for end, count in zip(np.cumsum(lengths[places]), counts, strict=True)]
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                hidden = model.forward_packed(batch.to(device)).float()
            hidden = hidden[torch.from_numpy(np.concatenate(asking)).to(device)]
            nats = surprisal(model, hidden, torch.from_numpy(targets).to(device)).double().cpu().numpy()
            for (row, window), own in zip(chosen, np.split(nats, np.cumsum(counts)[:-1]), strict=True):
                found[row][window.first : window.stop] = own
            counter.advance(len(chosen))
    return found


def windows(length: int, context: int | None, stride: int | None = None) -> Iterator[Window]:
    """The windows over a sequence of so many tokens, each of which reads at most `context`. Raises BadInput for a stride
    that leaves tokens out."""
    reach = length if context is None else context
    step = max(1, reach // 2) if stride is None else stride
    if not 0 < step <= max(reach, 1):
        raise BadInput(f"a stride of {step} over a context of {reach}: from 1 to the context, so that no token is left out")
    start, first = 0, 1
    while first < length:
        stop = min(start + reach + 1, length)  # the last token is predicted, not read
        yield Window(start, first, stop)
        start, first = start + step, stop
