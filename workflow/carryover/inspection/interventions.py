"""What is done to a model to see what it was for: weights drawn at random."""

from __future__ import annotations

import torch

from carryover.models.interface import LanguageModel

SPREAD = 0.02  # the standard deviation from which GPT-2's weights are drawn before training


@torch.no_grad()
def randomise(model: LanguageModel, seed: int) -> None:
    """Draws every matrix of a model anew from N(0, 0.02^2), sets biases to 0 and the gains of norms to 1, in place.

    What is left is the architecture and the tokeniser: what an instrument still sees was not learnt.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.copy_(SPREAD * torch.randn(parameter.shape, generator=generator))
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
