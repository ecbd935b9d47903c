"""SmolLM2-135M's shape by the seam for any causal model, beside transformers' own ways to run it.

Weights are random: they cost the same time. Scoring is held against one example at a time, with logits at every position as the
plain algorithm has them, and against padded batches of examples sorted by length, with the last logits alone; training against
transformers' padded loop, with this project's optimiser on both sides.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks import data, hugging_face, ours
from benchmarks.data import Source
from benchmarks.timing import Check, Clocked, Stopwatch, clocked, equal_losses, ratios, whole
from carryover.answers.choice import score
from carryover.data.prompts import XNLIDataset
from carryover.models.hugging_face import HuggingFaceModel
from carryover.training.adamw import FusedAdamW
from carryover.training.loop import Recipe

RECIPE = Recipe(1e-4, 16, 1, 0.01, (0.9, 0.999), 1e-6, 0.0, "constant", 0.0, "fp32")
SORTED = 24  # examples in a padded batch: of 16 to 32 the fastest on two cores
# Ratios: floor and goal.
SCORING = {"one at a time": (4.5, 6.0), "sorted padded batches": (2.2, 3.0)}
FINETUNING = {"padded loop": (1.8, 2.5)}
SCORING_ON_GPU = {"sorted padded batches": SCORING["sorted padded batches"]}
SHAPE = {
    **{"vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30},
    **{"num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5},
    **{"rope_theta": 100_000.0, "tie_word_embeddings": True, "initializer_range": 1 / 24, "bos_token_id": 1, "eos_token_id": 2},
}


@dataclass(frozen=True)
class Size:
    """How much is measured. shape: of the model; premises: whose rows are scored; steps: of a turn, the first a warm-up."""

    shape: dict = field(default_factory=lambda: SHAPE)
    premises: int = 32
    rounds: int = 3
    steps: int = 3
    equal_steps: int = 20


def pair(shape: dict) -> tuple[HuggingFaceModel, nn.Module]:
    """A model behind the seam, and one of the same weights with transformers' own attention."""
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**shape))
    return HuggingFaceModel(copy.deepcopy(theirs)), theirs


def within(prompts: XNLIDataset, vocabulary: int) -> XNLIDataset:
    """The same prompts for a model that has fewer entries than the tokeniser: the rarest ones are as one."""
    last = vocabulary - 1
    return dataclasses.replace(prompts, ids=np.minimum(prompts.ids, last), candidates=np.minimum(prompts.candidates, last))


def scoring(source: Source, size: Size, judged: bool) -> list[Check]:
    """Scoring prompts whose premises are shared by three hypotheses."""
    model, theirs = pair(size.shape)
    asked = within(data.premises_of(source.test, size.premises), size.shape["vocab_size"])
    contestants = {
        "ours": whole(lambda: score(model, asked, "fp32")),
        "one at a time": whole(lambda: hugging_face.label_logp(theirs, asked, 1, keep=0)),
        "sorted padded batches": whole(lambda: hugging_face.label_logp(theirs, asked, SORTED)),
    }
    work = f"SmolLM2, scoring, {source.name}, {len(asked)} examples"
    checks = ratios(work, contestants, size.rounds, SCORING, judged)
    few = data.rows_of(asked, np.arange(min(len(asked), 30)))
    difference = np.abs(score(model, few, "fp32").logp - hugging_face.label_logp(theirs, few, 1)).max()
    return [*checks, Check("  largest difference of a label's log-probability, SmolLM2", float(difference), "nats", most=2e-5)]


def finetuning(source: Source, size: Size, judged: bool) -> list[Check]:
    """Updates of all weights on batches of 16, and their losses."""
    train = within(source.train, size.shape["vocab_size"])
    model, theirs = pair(size.shape)
    chosen = ours.batches(len(train), RECIPE, size.equal_steps)

    def loop(model: nn.Module, steps: int) -> Clocked:
        taken = chosen[:steps]
        return clocked(lambda watch: hugging_face.finetune(model, train, taken, RECIPE, watch, FusedAdamW))

    contestants = {
        "ours": clocked(lambda watch: ours.finetune(model, train, RECIPE, size.steps, watch)),
        "padded loop": loop(theirs, size.steps),
    }
    work = f"SmolLM2, fine-tuning step, {source.name}, batch {RECIPE.batch_size}"
    checks = ratios(work, contestants, size.rounds, FINETUNING, judged)
    del model, theirs, contestants
    mine, others = Stopwatch(), Stopwatch()
    model, theirs = pair(size.shape)
    ours.finetune(model, train, RECIPE, size.equal_steps, mine)
    hugging_face.finetune(theirs, train, chosen, RECIPE, others, FusedAdamW)
    return [*checks, equal_losses(f"fine-tuning, SmolLM2, {source.name}", mine, others)]


def on_gpu(source: Source, size: Size) -> list[Check]:
    """The same on a GPU, both sides in bf16 with fp32 weights, one example at a time left out; no floors."""
    model, theirs = (model.cuda() for model in pair(size.shape))
    asked = within(data.premises_of(source.test, size.premises), size.shape["vocab_size"])
    contestants = {
        "ours": whole(lambda: score(model, asked, "bf16")),
        "sorted padded batches": whole(lambda: hugging_face.label_logp(theirs, asked, hugging_face.BATCH["cuda"], autocast=True)),
    }
    checks = ratios(f"SmolLM2, scoring, bf16, {len(asked)} examples", contestants, size.rounds, SCORING_ON_GPU, False)
    train, recipe = within(source.train, size.shape["vocab_size"]), dataclasses.replace(RECIPE, precision="bf16")
    chosen = ours.batches(len(train), recipe, size.steps)
    contestants = {
        "ours": clocked(lambda watch: ours.finetune(model, train, recipe, size.steps, watch)),
        "padded loop": clocked(lambda watch: hugging_face.finetune(theirs, train, chosen, recipe, watch, FusedAdamW)),
    }
    work = f"SmolLM2, fine-tuning step, bf16, batch {recipe.batch_size}"
    return [*checks, *ratios(work, contestants, size.rounds, FINETUNING, False)]
