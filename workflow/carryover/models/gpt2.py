"""GPT-2 from scratch (Radford et al. 2019), with the names of the course's handout.

Notable: pre-layer-norm blocks, the tanh form of GELU, learned positions, and an output projection tied to the token
embedding. Batches run without padding (`carryover.models.packing`); `forward` takes the usual padded ids and mask, and both go
through the same code. Model directories are Hugging Face directories, read and written as safetensors only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from carryover.models.activation import linear_gelu
from carryover.models.attention import attention_weights, dropped_attention
from carryover.models.cache import KeyValueCache
from carryover.models.dropout import dropout
from carryover.models.gpt2_config import GPT2Config, config_to_json, read_config, stored_name
from carryover.models.interface import LanguageModel, Watch
from carryover.models.linear import plain, without_parts
from carryover.models.losses import tied_cross_entropy, tied_lookup
from carryover.models.packing import Layout, Packed
from carryover.planning.facts import facts_of
from carryover.runtime import files
from carryover.runtime.errors import BadInput


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which a token sees itself and what stands before it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise BadInput(f"n_embd {config.n_embd} is not divisible by n_head {config.n_head}")
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.watch: Callable[[Tensor], None] | None = None  # is told the weights
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """softmax(Q K^T / sqrt(d) + M) V, heads merged.

        query: [B, H, Q, d]; key, value: [B, H, T, d]; mask: [B, 1, Q, T], what is added to the scores, or None for
        the causal triangle (Q equal to T). Returns [B, Q, H d].
        """
        if self.watch is not None:
            self.watch(attention_weights(query, key, mask))
        # The CPU's fused kernel drops no weights; a GPU's does, and gives the same bits twice where it gets no mask.
        if self.training and (self.dropout if query.device.type == "cpu" else mask is not None):
            context = dropped_attention(query, key, value, mask, self.dropout)
        else:
            rate = self.dropout if self.training else 0.0
            context = F.scaled_dot_product_attention(query, key, value, mask, rate, is_causal=mask is None)
        return context.transpose(1, 2).flatten(2)

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """[N, D] to [N, D]: every token asks."""
        asked = self.qkv(hidden)
        layout.keep(*asked.chunk(3, dim=-1)[1:])
        query, key, value = (self.heads(part) for part in layout.lay(asked).chunk(3, dim=-1))
        return layout.gather(self.attention(query, key, value, layout.mask))

    def forward_ends(self, hidden: Tensor, layout: Layout, ends: Tensor, ends_layout: Layout) -> Tensor:
        """[N, D] to [Q, D]: only the tokens `ends` ask, of all."""
        sizes = [hidden.shape[-1], 2 * hidden.shape[-1]]
        if plain(self.qkv):
            weights, biases = self.qkv.weight.split(sizes), self.qkv.bias.split(sizes)
            query = F.linear(hidden.index_select(0, ends), weights[0], biases[0])
            told = F.linear(hidden, weights[1], biases[1])
        else:
            query, told = self.qkv(hidden).split(sizes, dim=-1)
            query = query.index_select(0, ends)
        layout.keep(*told.chunk(2, dim=-1))
        key, value = (self.heads(part) for part in layout.lay(told).chunk(2, dim=-1))
        return ends_layout.gather(self.attention(self.heads(ends_layout.spread(query)), key, value, ends_layout.mask))

    def forward_cached(self, hidden: Tensor, keys: Tensor, values: Tensor, start: int, mask: Tensor) -> Tensor:
        """[B, T, D] to [B, T, D]: these tokens are put at column `start` of the keys and values [B, H, width, d], and ask."""
        query, key, value = (self.heads(part) for part in self.qkv(hidden).chunk(3, dim=-1))
        keys[:, :, start:], values[:, :, start:] = key, value
        return self.attention(query, keys, values, mask)

    def heads(self, grid: Tensor) -> Tensor:
        """[B, T, D] to [B, H, T, d]."""
        return grid.unflatten(-1, (self.n_head, -1)).transpose(1, 2)


class GPT2Layer(nn.Module):
    """One transformer block: attention and a feed-forward network, each on a normalised input and added to it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attention = CausalSelfAttention(config)
        self.attention_dense = nn.Linear(config.n_embd, config.n_embd)
        self.feed_forward_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.feed_forward_in = nn.Linear(config.n_embd, config.n_inner)
        self.feed_forward_out = nn.Linear(config.n_inner, config.n_embd)
        self.dropout = config.dropout

    def add(self, hidden: Tensor, output: Tensor, dense: nn.Linear) -> Tensor:
        """Projects the output of a sublayer, applies dropout, and adds it to what the sublayer was given."""
        return hidden + dropout(dense(output), self.dropout, self.training)

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """[N, D] to [N, D]."""
        context = self.attention(self.attention_norm(hidden), layout)
        return self.feed_forward(self.add(hidden, context, self.attention_dense))

    def forward_ends(self, hidden: Tensor, layout: Layout, ends: Tensor, ends_layout: Layout) -> Tensor:
        """[N, D] to [Q, D]: the same block, computed for the tokens `ends` alone."""
        context = self.attention.forward_ends(self.attention_norm(hidden), layout, ends, ends_layout)
        return self.feed_forward(self.add(hidden.index_select(0, ends), context, self.attention_dense))

    def forward_cached(self, hidden: Tensor, keys: Tensor, values: Tensor, start: int, mask: Tensor) -> Tensor:
        """[B, T, D] to [B, T, D]: the same block for tokens that go on from what the keys and values hold."""
        context = self.attention.forward_cached(self.attention_norm(hidden), keys, values, start, mask)
        return self.feed_forward(self.add(hidden, context, self.attention_dense))

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """[..., D] to [..., D]: the second half of the block."""
        inner = linear_gelu(self.feed_forward_norm(hidden), self.feed_forward_in)
        return self.add(hidden, inner, self.feed_forward_out)


class _Undrawn(TorchFunctionMode):
    """Leaves new weights as they are: to draw those of GPT-2 and read others in their place takes a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


class GPTPreTrainedModel(LanguageModel[KeyValueCache]):
    """Initialisation, and reading and writing of Hugging Face model directories."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.facts = facts_of(config_to_json(config))

    def init_weights(self, module: nn.Module) -> None:
        """Linear and embedding weights from N(0, initializer_range^2), biases 0, layer norms 1 and 0."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        bias = getattr(module, "bias", None)
        if bias is not None:
            nn.init.zeros_(bias)

    @classmethod
    def from_pretrained(cls, directory: str | Path, dropout: float | None = None, weights: Path | None = None) -> Self:
        """The model in a Hugging Face directory, in fp32; `weights`: its safetensors, where they lie elsewhere.

        Raises BadInput where the directory holds another architecture, no safetensors, or a tensor of another shape.
        """
        directory = Path(directory)
        with _Undrawn():
            model = cls(read_config(directory, dropout))
        path = weights or directory / "model.safetensors"
        if not path.is_file():
            raise BadInput(
                f"{directory}: no model.safetensors (pickled weights are never loaded); save the model with save_pretrained"
            )
        try:
            stored = load_file(path)
        except SafetensorError as error:
            raise BadInput(f"{path}: not a readable safetensors file ({error}); fetch or train it again") from error
        stored = {name.removeprefix("transformer."): tensor for name, tensor in stored.items()}
        deeper = [name for name in stored if name.startswith(f"h.{model.config.n_layer}.")]
        if deeper:
            raise BadInput(f"{path}: has {deeper[0]}, config.json asks for {model.config.n_layer} layers")
        for name, parameter in model.named_parameters():
            theirs, transposed = stored_name(name)
            if theirs not in stored:
                raise BadInput(f"{path}: no tensor {theirs}")
            tensor = stored[theirs].T if transposed else stored[theirs]
            if tensor.shape != parameter.shape:
                raise BadInput(
                    f"{path}: {theirs} has shape {tuple(stored[theirs].shape)}, config.json asks for {tuple(parameter.shape)}"
                )
            with torch.no_grad():
                parameter.copy_(tensor)
        return model

    def save_pretrained(self, directory: str | Path) -> None:
        """Writes `config.json` and `model.safetensors`, whole; transformers opens the directory.

        Raises ValueError where a method's parts are still in.
        """
        without_parts(self)
        directory = Path(directory)
        tensors = {}
        for name, parameter in self.named_parameters():
            theirs, transposed = stored_name(name)
            tensor = parameter.detach().float().cpu()
            tensors[f"transformer.{theirs}"] = (tensor.T if transposed else tensor).contiguous()
        files.write_bytes(directory / "model.safetensors", save(tensors, metadata={"format": "pt"}))
        files.write_json(directory / "config.json", config_to_json(self.config))


class GPT2Model(GPTPreTrainedModel):
    """The whole model: embeddings, blocks, a last layer norm, and the tied output projection."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)
        self.dropout = config.dropout
        self.layers = nn.ModuleList(GPT2Layer(config) for _ in range(config.n_layer))
        self.final_layer_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.apply(self.init_weights)

    @property
    def blocks(self) -> list[GPT2Layer]:
        """The layers, as what they are."""
        return cast(list[GPT2Layer], list(self.layers))

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Token ids and positions, both [N], to hidden states [N, D]."""
        return self.place(self.token_embedding(ids), positions)

    def place(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Token embeddings [N, D], already looked up, and positions [N] to hidden states [N, D]."""
        return dropout(tokens + self.position_embedding(positions), self.dropout, self.training)

    def encode(self, hidden: Tensor, layout: Layout) -> Tensor:
        """The stack of blocks: [N, D] to [N, D]."""
        for layer in self.layers:
            hidden = layer(hidden, layout)
        return hidden

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[str, Tensor]:
        """Hidden states of padded sequences; padding may stand on the left or on the right.

        input_ids, attention_mask (1 for a real token): [B, T]. Returns `last_hidden_state` [B, T, D], zero at padding,
        and `last_token` [B, D], the state at the last position that is not padding.
        """
        rows, width = input_ids.shape
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        slots = real.flatten().nonzero().squeeze(1)
        positions = (real.cumsum(dim=1) - 1).flatten()[slots]
        places = torch.arange(width, device=input_ids.device)
        # An empty place sees itself, so that no row of the softmax is empty; nothing else sees it.
        seen = (places[:, None] >= places) & real[:, None, :].bool() | torch.eye(width, dtype=torch.bool, device=input_ids.device)
        mask = torch.zeros(rows, 1, width, width, device=input_ids.device).masked_fill_(~seen[:, None], -torch.inf)
        layout = Layout(rows, width, slots, None if attention_mask is None else mask)
        hidden = self.final_layer_norm(self.encode(self.embed(input_ids.flatten()[slots], positions), layout))
        states = layout.spread(hidden)
        last = (real * (places + 1)).argmax(dim=1)
        return {"last_hidden_state": states, "last_token": states[torch.arange(rows, device=last.device), last]}

    def forward_packed(self, batch: Packed) -> Tensor:
        """Hidden states [N, D] of every token of a packed batch, after the last layer norm."""
        return self.encode_packed(self.embed(batch.ids, batch.positions), batch)

    def forward_ends(self, batch: Packed) -> Tensor:
        """Hidden states [Q, D] at the batch's `ends`: the last block runs for these tokens alone."""
        return self.encode_ends(self.embed(batch.ids, batch.positions), batch)

    def answer_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target [Q]) over the batch's `ends`, in nats."""
        tokens, weight = tied_lookup(self.token_embedding.weight, batch.ids)
        hidden = self.encode_ends(self.place(tokens, batch.positions), batch)
        return tied_cross_entropy(hidden.float(), weight, targets)

    def next_token_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target [N]) over all tokens of a batch, in nats."""
        tokens, weight = tied_lookup(self.token_embedding.weight, batch.ids)
        hidden = self.encode_packed(self.place(tokens, batch.positions), batch)
        return tied_cross_entropy(hidden.float(), weight, targets)

    def empty_cache(self, rows: int, room: int) -> KeyValueCache:
        """Nothing read yet, and room for so many columns."""
        config = self.config
        size = (config.n_layer, rows, config.n_head, room, config.n_embd // config.n_head)
        return KeyValueCache.empty(*size, like=self.token_embedding.weight)

    def start(self, batch: Packed, room: int) -> tuple[KeyValueCache, Tensor]:
        """Reads the sequences that end at a batch's `ends`, packed; returns the cache and the hidden states there, [Q, D]."""
        cache = self.empty_cache(len(batch.ends), batch.longest() + room)
        return cache, self.forward_ends(cache.filled_by(batch))

    def read(self, cache: KeyValueCache, ids: Tensor, real: Tensor) -> Tensor:
        """Reads T more columns, ids and real [B, T], into the cache; returns the hidden state of the last one, [B, D]."""
        start, width = cache.width, cache.width + ids.shape[1]
        positions, mask = cache.extend(real)
        hidden = self.embed(ids, positions)
        for layer, keys, values in zip(self.blocks, cache.keys, cache.values, strict=True):
            hidden = layer.forward_cached(hidden, keys[:, :, :width], values[:, :, :width], start, mask)
        return self.final_layer_norm(hidden[:, -1])

    def linears(self) -> dict[str, nn.Module]:
        """The linear maps of the blocks, by their names in transformers."""
        names = ("attention.qkv", "attention_dense", "feed_forward_in", "feed_forward_out")
        every = [f"layers.{number}.{name}" for number in range(len(self.layers)) for name in names]
        theirs = [stored_name(f"{name}.weight")[0].removesuffix(".weight") for name in every]
        return {f"transformer.{name}": self.get_submodule(own) for name, own in zip(theirs, every, strict=True)}

    def last_norm(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] as a block leaves them to those that the output projection takes."""
        return self.final_layer_norm(hidden)

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """While it is open, every block's attention tells `watch` its weights, [rows, H, width, width]."""
        for number, layer in enumerate(self.blocks):
            layer.attention.watch = partial(watch, number)
        try:
            yield
        finally:
            for layer in self.blocks:
                layer.attention.watch = None

    def encode_packed(self, hidden: Tensor, batch: Packed) -> Tensor:
        """`forward_packed` from embeddings [N, D] on."""
        return self.final_layer_norm(self.encode(hidden, batch.layout))

    def encode_ends(self, hidden: Tensor, batch: Packed) -> Tensor:
        """`forward_ends` from embeddings [N, D] on."""
        *layers, last = self.blocks
        for layer in layers:
            hidden = layer(hidden, batch.layout)
        hidden = last.forward_ends(hidden, batch.layout, batch.ends, batch.ends_layout)
        return self.final_layer_norm(hidden)

    def hidden_state_to_token(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to logits [..., V], by the transposed token embedding."""
        return F.linear(hidden, self.token_embedding.weight)


def load(directory: str | Path, dropout: float | None = None) -> GPT2Model:
    """The model in a Hugging Face directory; see `GPT2Model.from_pretrained`."""
    return GPT2Model.from_pretrained(directory, dropout)
