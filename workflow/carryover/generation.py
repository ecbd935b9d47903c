"""Text from a model: greedy continuation of a prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from carryover.gpt2 import GPT2Model


@torch.inference_mode()
def generate_gpt2(model: GPT2Model, prompt: Sequence[int], max_new_tokens: int) -> tuple[list[int], str]:
    """The most likely next token, again and again.

    Stops at the model's end-of-text token, after `max_new_tokens`, or where the positions end. Returns the new token ids,
    without end of text, and what stopped it: `end of text` or `length`.
    """
    model.eval()
    device = next(model.parameters()).device
    ids = torch.tensor([list(prompt)], device=device)
    new: list[int] = []
    while len(new) < max_new_tokens and ids.shape[1] < model.config.n_positions:
        logits = model.hidden_state_to_token(model(ids)["last_token"])
        token = int(logits.argmax())
        if token == model.config.eos_token_id:
            return new, "end of text"
        new.append(token)
        ids = torch.cat([ids, torch.tensor([[token]], device=device)], dim=1)
    return new, "length"
