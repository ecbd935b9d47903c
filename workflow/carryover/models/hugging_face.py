"""Any causal language model of transformers, by the same seam as this project's GPT-2.

transformers lets attention be exchanged by name, and hands the arguments of `forward` that it does not know down to it. So a
packed batch runs as one row of real tokens: all but attention treats tokens one by one, and attention lays them out in the
grid of the batch's layout, trees of shared beginnings included. Where a model does not call what was put in (BLOOM has no such
interface, and only warns), batches are padded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.pytorch_utils import Conv1D

from carryover.models.attention import attention_weights
from carryover.models.cache import KeyValueCache
from carryover.models.interface import LanguageModel, Watch
from carryover.models.linear import plain, without_parts
from carryover.models.losses import tied_cross_entropy
from carryover.models.packing import Layout, Packed, pack
from carryover.models.quiet import quiet
from carryover.planning.facts import facts_of, stored_config
from carryover.runtime import files
from carryover.runtime.errors import BadInput

PACKED = "carryover_packed"
UNTESTED = ("attn_logit_softcapping", "final_logit_softcapping", "quantization_config", "auto_map", "use_bidirectional_attention")
LAST_NORMS = ("norm", "ln_f", "final_layer_norm")  # what architectures call the norm after the last block
RATES = ("attention_dropout", "hidden_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop")


@dataclass(frozen=True)
class Reading:
    """A cached step: the cache with its columns taken up, and what they see, [B, 1, T, width]."""

    cache: KeyValueCache
    mask: Tensor

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attention of new tokens, query [B, H, T, d], key and value [B, K, T, d], to all that was read: [B, T, H, d]."""
        keys, values = self.cache.put(layer, key, value)
        asked, shared = query, key.shape[1] < query.shape[1]
        if fold := shared and query.shape[2] == 1:  # heads that share keys ask as so many tokens: nothing is copied for them
            asked = query.squeeze(2).unflatten(1, (key.shape[1], -1))
        context = F.scaled_dot_product_attention(asked, keys, values, self.mask, scale=scale, enable_gqa=shared and not fold)
        return (context.flatten(1, 2)[:, :, None] if fold else context).transpose(1, 2)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    reading: Reading | None = None,
    watch: Watch | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention over the grid of `layout`: query [1, H, N, d], key and value [1, K, N, d], to [1, N, H, d].

    reading: a cached step, whose tokens [B, H, T, d] see what was read before. Without either it is transformers' own.
    """
    if reading is not None:
        return reading.attend(cast("int", module.layer_idx), query, key, value, scaling), None
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others)
    layout.keep(*(part[0].transpose(0, 1).flatten(1) for part in (key, value)))
    grids = [layout.lay(part[0].transpose(0, 1).flatten(1)).unflatten(-1, (part.shape[1], -1)) for part in (query, key, value)]
    asked, keys, values = (grid.transpose(1, 2) for grid in grids)
    if watch is not None:
        watch(int(module.layer_idx), attention_weights(asked, keys, layout.mask, scaling))  # type: ignore[arg-type]
    causal, shared = layout.mask is None, key.shape[1] < query.shape[1]
    context = F.scaled_dot_product_attention(
        asked, keys, values, layout.mask, dropout_p=dropout, is_causal=causal, scale=scaling, enable_gqa=shared
    )
    return layout.gather(context.transpose(1, 2).flatten(2)).unflatten(-1, (query.shape[1], -1))[None], None


def mask_of(attention_mask: Tensor | None = None, **options: Any) -> Tensor | None:
    """No mask for packed batches, which alone come without `attention_mask`: `attend` takes that of their layout."""
    return None if attention_mask is None else sdpa_mask(attention_mask=attention_mask, **options)


AttentionInterface.register(PACKED, attend)
AttentionMaskInterface.register(PACKED, mask_of)


@dataclass
class PaddedCache:
    """What a model that runs padded has read of a batch. past: transformers' keys and values; real: [B, width], false at
    padding."""

    past: DynamicCache
    real: Tensor

    def of_rows(self, rows: Tensor) -> PaddedCache:
        """The same for some of the rows, given by their places; what was read of all of them is gone."""
        self.past.batch_select_indices(rows)
        return replace(self, real=self.real[rows])


@dataclass(frozen=True)
class _Counted(Layout):
    """A layout that notes each time that attention uses it."""

    calls: tuple[list[None], ...] = ([],)

    def gather(self, grid: Tensor) -> Tensor:
        self.calls[0].append(None)
        return super().gather(grid)


class HuggingFaceModel(LanguageModel[KeyValueCache | PaddedCache]):
    """A model of transformers. `packs`: whether its batches run without padding."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.facts = facts_of(model.config.to_dict())
        blocks = f"{model.base_model_prefix}."
        self._linears = {
            name: module
            for name, module in model.named_modules()
            if name.startswith(blocks) and type(module) in (nn.Linear, Conv1D)
        }
        self.packs = self._exchange()
        self._watch: Watch | None = None

    def _exchange(self) -> bool:
        """Puts in attention over packed batches; whether every layer called it, asked by running two tokens."""
        before = self.model.config._attn_implementation
        try:
            with quiet(), torch.no_grad():
                self.model.set_attn_implementation(PACKED)
                layout = pack([np.zeros(2, np.int32)]).to(self._device()).layout
                counted = _Counted(layout.rows, layout.width, layout.slots, calls=([],))
                self._states(input_ids=torch.zeros(1, 2, dtype=torch.int64, device=self._device()), layout=counted)
            took = len(counted.calls[0]) == self.facts.layers
        except (TypeError, ValueError):
            took = False
        if not took:
            self.model.set_attn_implementation(before)
        return took

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _states(self, **inputs: Any) -> Tensor:
        return self.model.base_model(**inputs, use_cache=False).last_hidden_state

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks, by whatever name the architecture has for their list."""
        lists = (module for module in self.model.base_model.children() if isinstance(module, nn.ModuleList))
        return list(next(found for found in lists if len(found) == self.facts.layers))

    def last_norm(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] as a block leaves them to those that the output projection takes."""
        base = self.model.base_model
        return next(getattr(base, name) for name in LAST_NORMS if hasattr(base, name))(hidden)

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """While it is open, `forward_packed` tells `watch` every block's attention weights, [rows, H, width, width]."""
        self._watch = watch
        try:
            yield
        finally:
            self._watch = None

    def forward_packed(self, batch: Packed) -> Tensor:
        """Hidden states [N, D] of every token of a packed batch."""
        if self.packs:
            inputs = {"input_ids": batch.ids[None], "position_ids": batch.positions[None], "layout": batch.layout}
            return self._states(**inputs, **({"watch": self._watch} if self._watch else {}))[0]
        tokens, real, states = self._padded(batch)
        hidden = states.new_zeros(len(batch.ids), states.shape[-1])
        return hidden.index_copy(0, tokens[real], states[real])

    def forward_ends(self, batch: Packed) -> Tensor:
        """Hidden states [Q, D] at the batch's `ends`."""
        if self.packs:
            return self.forward_packed(batch).index_select(0, batch.ends)
        _, real, states = self._padded(batch)
        return states[torch.arange(len(real), device=real.device), real.sum(dim=1) - 1]

    def _padded(self, batch: Packed) -> tuple[Tensor, Tensor, Tensor]:
        """Each sequence of a batch in a row of its own, padded on the right: its tokens' places, which are real, states."""
        tokens, real = batch.sequences()
        inputs = {"input_ids": batch.ids[tokens], "attention_mask": real.long()}
        if self._watch is None:
            return tokens, real, self._states(**inputs)
        output = self.model.base_model(**inputs, use_cache=False, output_attentions=True)
        for number, weights in enumerate(output.attentions):
            self._watch(number, weights)
        return tokens, real, output.last_hidden_state

    def hidden_state_to_token(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to logits [..., V]."""
        return self.model.get_output_embeddings()(hidden)

    def answer_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target [Q]) over the batch's `ends`, in nats."""
        return self._cross_entropy(self.forward_ends(batch), targets)

    def next_token_loss(self, batch: Packed, targets: Tensor) -> Tensor:
        """The mean of -log p(target [N]) over all tokens of a batch, in nats."""
        return self._cross_entropy(self.forward_packed(batch), targets)

    def _cross_entropy(self, hidden: Tensor, targets: Tensor) -> Tensor:
        head = self.model.get_output_embeddings()
        if plain(head) and head.bias is None:
            return tied_cross_entropy(hidden.float(), head.weight, targets)
        return F.cross_entropy(head(hidden).float(), targets)

    def empty_cache(self, rows: int, room: int) -> KeyValueCache | PaddedCache:
        """Nothing read yet, and room for so many columns."""
        if not self.packs:
            return PaddedCache(DynamicCache(), torch.zeros(rows, 0, dtype=torch.bool, device=self._device()))
        facts, like = self.facts, next(self.model.parameters())
        return KeyValueCache.empty(facts.layers, rows, facts.kv_heads, room, facts.head_width, like=like)

    def start(self, batch: Packed, room: int) -> tuple[KeyValueCache | PaddedCache, Tensor]:
        """Reads the sequences that end at a batch's `ends`, packed where that can be; see `LanguageModel.start`."""
        cache = self.empty_cache(len(batch.ends), batch.longest() + room)
        if isinstance(cache, KeyValueCache):
            return cache, self.forward_ends(cache.filled_by(batch))
        return super().start(batch, room)

    def read(self, cache: KeyValueCache | PaddedCache, ids: Tensor, real: Tensor) -> Tensor:
        """Reads T more columns, ids and real [B, T], into the cache; returns the hidden state of the last one, [B, D]."""
        if isinstance(cache, KeyValueCache):
            positions, mask = cache.extend(real)
            return self._states(input_ids=ids, position_ids=positions, reading=Reading(cache, mask))[:, -1]
        cache.real = torch.cat([cache.real, real], dim=1)
        inputs = {"input_ids": ids, "attention_mask": cache.real.long(), "past_key_values": cache.past, "use_cache": True}
        return self.model.base_model(**inputs).last_hidden_state[:, -1]

    def linears(self) -> dict[str, nn.Module]:
        """The linear maps of the blocks, by their names in the model."""
        return dict(self._linears)

    def save_pretrained(self, directory: str | Path) -> None:
        """Writes `config.json` and `model.safetensors`, each whole. Raises ValueError where a method's parts are still in."""
        without_parts(self)
        directory = Path(directory)
        with tempfile.TemporaryDirectory() as scratch:
            self.model.save_pretrained(scratch, max_shard_size="1TB")
            for name in ("model.safetensors", "config.json"):
                files.write_bytes(directory / name, (Path(scratch) / name).read_bytes())


def load(directory: str | Path, dropout: float | None = None) -> HuggingFaceModel:
    """The model in a Hugging Face directory, in fp32. dropout: in place of every rate that its config has.

    Raises BadInput where the directory is not whole, brings code of its own, or is of a kind that was not tried here.
    """
    directory = Path(directory)
    config = read_config(directory)
    if not list(directory.glob("*.safetensors")):
        raise BadInput(f"{directory}: no safetensors (pickled weights are never loaded); save the model with save_pretrained")
    rates = {} if dropout is None else {name: dropout for name in RATES if name in config}
    try:
        with quiet():  # what it would report is checked below
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                directory,
                **rates,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # whatever transformers raises, it is about this directory
        raise BadInput(f"{directory}: transformers cannot load it ({' '.join(str(error).split())[:300]})") from error
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise BadInput(f"{directory}: no tensor {missing[0]} ({len(missing)} missing); its weights would be drawn at random")
    # Where generation settings say after which tokens a text ends, and a config says otherwise, transformers takes these.
    model.config.eos_token_id = model.generation_config.eos_token_id
    return HuggingFaceModel(model).train()


def read_config(directory: Path) -> dict[str, Any]:
    """The `config.json` of a model that may be loaded. Raises BadInput for what was not tried with packed batches."""
    path = directory / "config.json"
    config = stored_config(directory)
    try:
        facts = facts_of(config)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    for name in UNTESTED:
        if config.get(name):
            raise BadInput(f"{path}: {name} is set; a model with it was not tried here and is refused")
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    if window and (facts.context is None or window < facts.context):
        raise BadInput(f"{path}: sliding_window {window} is shorter than the context {facts.context}; not tried here and refused")
    return config
