"""How unexpected tokens are to a model: -log p of each, without the logits of a whole batch at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from carryover.models.interface import LanguageModel
from carryover.models.losses import ROWS_AT_ONCE


def surprisal(model: LanguageModel, hidden: Tensor, targets: Tensor) -> Tensor:
    """-log p of each target [Q] by hidden states [Q, D], [Q] in nats; a few rows of the large vocabulary at a time."""
    parts = zip(hidden.split(ROWS_AT_ONCE), targets.split(ROWS_AT_ONCE), strict=True)
    each = [F.cross_entropy(model.hidden_state_to_token(rows).float(), wanted, reduction="none") for rows, wanted in parts]
    return torch.cat(each)
