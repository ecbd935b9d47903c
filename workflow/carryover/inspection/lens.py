"""The logit lens of the answer: what a model would answer, were each block its last (nostalgebraist 2020).

At the place where the answer is wanted, the hidden state of every block goes through the last norm and the output projection.
What that says of a block in the middle is what the last block's readers make of it, not what later blocks do: an answer that the
lens does not show may be there in another basis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from carryover.data.prompts import XNLIDataset
from carryover.inspection.tap import tap
from carryover.models.batching import by_width, grid_of
from carryover.models.interface import LanguageModel
from carryover.models.packing import pack


@dataclass(frozen=True)
class Answers:
    """Of n prompts: logp [n, S, K], the log-probability over the whole vocabulary of each candidate, in nats, at each of S hidden
    states; ends [n, S, D]: those states, of the last token, before the last norm."""

    logp: np.ndarray
    ends: np.ndarray


@torch.inference_mode()
def read_answers(model: LanguageModel, data: XNLIDataset, rows: np.ndarray, states: Sequence[int]) -> Answers:
    """Reads these rows of a data set; states: the numbers of the hidden states, 0 to L (`carryover.inspection.tap`)."""
    model.eval()
    device = next(model.parameters()).device
    candidates = torch.from_numpy(data.candidates).to(device)
    place = {state: number for number, state in enumerate(states)}
    ends = np.empty((len(rows), len(states), model.facts.width), np.float32)
    logp = np.empty((len(rows), len(states), len(candidates)), np.float32)
    for chosen in by_width(data.lengths[rows], grid_of(device)):
        batch = pack([data.sequence(rows[row]) for row in chosen]).to(device)

        def keep(number: int, hidden: Tensor, chosen: list[int] = chosen, wanted: Tensor = batch.ends) -> None:
            if number in place:
                asked = hidden.index_select(0, wanted)
                ends[chosen, place[number]] = asked.cpu().numpy()
                logits = model.hidden_state_to_token(model.last_norm(asked)).float()
                logp[chosen, place[number]] = logits.log_softmax(dim=-1)[:, candidates].cpu().numpy()

        tap(model, batch, keep, None, None)
    return Answers(logp, ends)
