"""The plain algorithm of the course's handout, written for comparison.

Evaluation takes one example at a time: a full forward pass, logits over the whole vocabulary at every position, the most
likely last token decoded and compared as text. Training pads its batches, computes all logits, ignores -100 in a shifted
cross-entropy, reads the loss at each step, and updates one parameter after the other. Pretraining counts padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.training.adamw import AdamW
from carryover.training.loop import Recipe
from carryover.training.pretraining import TextDataset


class PlainLayer(nn.Module):
    """A block on padded batches, attention written out; its parameters have the names of `carryover.models.gpt2`."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.heads = config.n_head
        self.attention_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attention = nn.ModuleDict({"qkv": nn.Linear(config.n_embd, 3 * config.n_embd)})
        self.attention_dense = nn.Linear(config.n_embd, config.n_embd)
        self.feed_forward_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.feed_forward_in = nn.Linear(config.n_embd, config.n_inner)
        self.feed_forward_out = nn.Linear(config.n_inner, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, T, D] to [B, T, D]; mask [B, 1, T, T] is added to the scores."""
        parts = self.attention["qkv"](self.attention_norm(hidden)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) + mask
        context = self.dropout(scores.softmax(dim=-1)) @ value
        hidden = hidden + self.dropout(self.attention_dense(context.transpose(1, 2).flatten(2)))
        inner = F.gelu(self.feed_forward_in(self.feed_forward_norm(hidden)), approximate="tanh")
        return hidden + self.dropout(self.feed_forward_out(inner))


class PlainGPT2(nn.Module):
    """The model of `carryover.models.gpt2` with the same weights, from padded ids to all logits."""

    def __init__(self, model: GPT2Model) -> None:
        super().__init__()
        config = model.config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(PlainLayer(config) for _ in range(config.n_layer))
        self.final_layer_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.load_state_dict(model.state_dict())
        self.to(next(model.parameters()).device)

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """Token ids and mask (1 for a real token), both [B, T], to logits [B, T, V]."""
        width = ids.shape[1]
        hidden = self.dropout(self.token_embedding(ids) + self.position_embedding(torch.arange(width, device=ids.device)))
        seen = torch.ones(width, width, dtype=torch.bool, device=ids.device).tril() & real[:, None, None, :].bool()
        mask = torch.zeros(seen.shape, device=ids.device).masked_fill(~seen, torch.finfo(hidden.dtype).min)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return self.final_layer_norm(hidden) @ self.token_embedding.weight.T


@torch.no_grad()
def evaluate(model: PlainGPT2, data: XNLIDataset, tokenizer: Tokenizer, labels: Sequence[str]) -> int:
    """How many greedy answers are, as text, the label."""
    model.eval()
    device, right = next(model.parameters()).device, 0
    for row in range(len(data)):
        ids = torch.from_numpy(data.sequence(row).astype(np.int64))[None].to(device)
        answer = model(ids, torch.ones_like(ids))[0, -1].argmax()
        right += tokenizer.decode([int(answer)]).strip() == labels[data.targets[row]]
    return right


@torch.no_grad()
def label_logp(model: PlainGPT2, data: XNLIDataset) -> np.ndarray:
    """The log-probability of each label token after each prompt: [n, K], in nats."""
    model.eval()
    device, rows = next(model.parameters()).device, []
    for row in range(len(data)):
        ids = torch.from_numpy(data.sequence(row).astype(np.int64))[None].to(device)
        rows.append(model(ids, torch.ones_like(ids))[0, -1].log_softmax(dim=0)[data.candidates].cpu())
    return torch.stack(rows).numpy()


def _train(model: PlainGPT2, recipe: Recipe, losses: Iterable[Callable[[], Tensor]], on_step: Callable[[float], None]) -> None:
    model.train()
    optimizer = AdamW(model.parameters(), recipe.lr, recipe.betas, recipe.eps, recipe.weight_decay)
    for loss_of in losses:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        on_step(loss.item())


def finetune(
    model: PlainGPT2, data: XNLIDataset, batches: Sequence[np.ndarray], recipe: Recipe, on_step: Callable[[float], None]
) -> None:
    """An update for each batch of rows; `on_step` gets its loss."""
    device = next(model.parameters()).device

    def loss_of(rows: np.ndarray) -> Tensor:
        batch = {name: part.to(device) for name, part in data.collate_fn([data[row] for row in rows]).items()}
        logits = model(batch["input_ids"], batch["attention_mask"])
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=-100)

    _train(model, recipe, [lambda rows=rows: loss_of(rows) for rows in batches], on_step)


def pretrain(
    model: PlainGPT2,
    data: TextDataset,
    batches: Sequence[np.ndarray],
    recipe: Recipe,
    on_step: Callable[[float], None],
    count_padding: bool = True,
) -> None:
    """An update for each batch of lines, padded to the full length; without padding in the loss only to compare losses."""

    def loss_of(rows: np.ndarray) -> Tensor:
        examples = [data[row] for row in rows]
        ids, real = (torch.stack([example[name] for example in examples]) for name in ("input_ids", "attention_mask"))
        targets = ids[:, 1:] if count_padding else ids[:, 1:].masked_fill(real[:, 1:] == 0, -100)
        return F.cross_entropy(model(ids, real)[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100)

    _train(model, recipe, [lambda rows=rows: loss_of(rows) for rows in batches], on_step)
