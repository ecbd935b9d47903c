"""The answer is a tag for each word: a linear head on the hidden state of the word's last token, trained with the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from carryover.data.tagged import IOB2, OUTSIDE, TaggedDataset
from carryover.metrics import accuracy, entity_f1
from carryover.models.batching import by_width, grid_of
from carryover.models.interface import LanguageModel
from carryover.models.packing import move, pack
from carryover.runtime import files
from carryover.runtime.errors import BadInput
from carryover.runtime.progress import progress

FILES = ("tagging_head.safetensors",)  # what a trained answer adds to the model's directory
CRITERION = "score"  # strict entity F1 of IOB2, accuracy of other tags
INITIAL_STD = 0.02  # of the head's weights, as GPT-2's own linear maps begin


class Tagger(nn.Module):
    """A model with a linear map from its hidden states to scores of tags."""

    def __init__(self, model: LanguageModel, tags: Sequence[str]) -> None:
        super().__init__()
        self.model, self.tags = model, tuple(tags)
        self.head = nn.Linear(model.facts.width, len(self.tags))

    def forward(self, sequences: Sequence[np.ndarray], places: np.ndarray) -> Tensor:
        """Scores [W, K] of the tags, at these places of the row in which the sequences' tokens follow each other."""
        device = self.head.weight.device
        hidden = self.model.forward_packed(pack(sequences).to(device))
        return self.head(hidden.index_select(0, move(torch.from_numpy(places), device)))


@dataclass(frozen=True)
class Scores:
    """For W words: predicted [W], the most likely tag; `O` for a word that was cut off."""

    predicted: np.ndarray


def load(paths: Sequence[Path]) -> TaggedDataset:
    """The sentences of these files, one after the other. Raises BadInput where a file is damaged."""
    return TaggedDataset.load(paths)


def prepare(model: LanguageModel, data: TaggedDataset, seed: int) -> Tagger:
    """The module that is trained: the model with a new head for the tags of the training data."""
    tagger = Tagger(model, data.tags)
    with torch.no_grad():
        tagger.head.weight.normal_(0, INITIAL_STD, generator=torch.Generator().manual_seed(seed))
        tagger.head.bias.zero_()
    return tagger.to(next(model.parameters()).device)


def save(trained: Tagger, directory: Path) -> None:
    """Writes the head, and the names of its tags, beside the model."""
    tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in trained.head.state_dict().items()}
    files.write_bytes(directory / FILES[0], to_bytes(tensors, metadata={"tags": json.dumps(trained.tags)}))


def restore(model: LanguageModel, directory: Path) -> Tagger:
    """The module that answers, of a model and the head beside it. Raises BadInput where there is none."""
    path = directory / FILES[0]
    if not path.is_file():
        raise BadInput(f"{directory}: no {FILES[0]}; a model tags words only once it was trained to")
    with files.reading(path), safe_open(path, "pt") as stored:
        tagger = Tagger(model, json.loads(stored.metadata()["tags"]))
        tagger.head.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
    return tagger.to(next(model.parameters()).device)


def loss(trained: Tagger, data: TaggedDataset, rows: np.ndarray) -> Tensor:
    """The mean over these rows of what their words add to -log p(tag), in nats, over the words of a row in the whole data.

    So the mean over an epoch is that over its words, and the loss of a batch is the mean of its rows': shares of it can be
    computed apart, which the mean over the words of the batch would not allow.
    """
    places, words = data.answered(rows)
    scores = trained([data.sequence(row) for row in rows], places)
    targets = move(torch.from_numpy(data.targets[words]), scores.device)
    return F.cross_entropy(scores.float(), targets, reduction="sum") / (len(rows) * data.words_a_row)


@torch.inference_mode()
def score(trained: Tagger, data: TaggedDataset, precision: str) -> Scores:
    """Tags every word of a dataset, in its order. precision: `fp32` or `bf16`."""
    device = trained.head.weight.device
    predicted = np.full(len(data.word_ends), OUTSIDE, dtype=object)
    names = np.array(trained.tags, dtype=object)
    trained.eval()
    with progress("tagging", len(data)) as counter:
        for batch in by_width(data.lengths, grid_of(device)):
            places, words = data.answered(np.array(batch))
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                scores = trained([data.sequence(row) for row in batch], places)
            predicted[words] = names[scores.float().argmax(dim=1).cpu().numpy()]
            counter.advance(len(batch))
    return Scores(predicted)


def criterion(data: TaggedDataset, scores: Scores) -> float:
    """Strict entity F1 where all tags are IOB2, 0 where there is no span; else the share of words whose tag is right."""
    rows = pd.DataFrame(predictions(data, scores))
    metric = entity_f1 if all(map(IOB2.fullmatch, data.tags)) else accuracy
    return float(np.nan_to_num(metric.value(metric.sums(rows).sum(axis=0))))


def predictions(data: TaggedDataset, scores: Scores) -> dict[str, np.ndarray]:
    """The columns of a prediction file, a row a word: id and cluster of the sentence, word (its number in it, from 0), target
    and predicted (tags)."""
    counts = np.diff(data.word_offsets)
    return {
        "id": np.repeat(data.row_ids, counts),
        "cluster": np.repeat(data.clusters, counts),
        "word": (np.arange(len(data.targets)) - np.repeat(data.word_offsets[:-1], counts)).astype(np.int32),
        "target": np.array(data.tags, dtype=object)[data.targets],
        "predicted": scores.predicted,
    }
