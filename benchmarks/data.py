"""What is measured on: the embedded corpus, and real XNLI where CARRYOVER_MIRROR has it."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from carryover.data import mini, tokenizer, xnli
from carryover.data.fetch import MIRROR
from carryover.data.prompts import XNLIDataset
from carryover.planning.schema import load_schema
from carryover.tasks import nli

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = load_schema()["properties"]["tasks"]["properties"]["nli"]["properties"]
LANGUAGES = ["en", "de", "fr", "es", "el", "bg", "ru", "hi", "ur", "tr", "ar", "vi", "th", "zh", "sw"]
TEMPLATE, LABELS = DEFAULTS["templates"]["default"]["course"], DEFAULTS["labels"]["default"]


@dataclass(frozen=True)
class Source:
    """Tokenised English training and test prompts, a tokeniser, text to pretrain on, and the archive of all test sets."""

    name: str
    train: XNLIDataset
    test: XNLIDataset
    tokenizer: Tokenizer
    text: Path
    evaluation: Path


def sources(scratch: Path) -> list[Source]:
    """The embedded corpus, built in `scratch`, and real XNLI after it where there is a mirror."""
    for name, content in mini.build(ROOT / "data/mini").items():
        (scratch / name).write_bytes(content)
    made = tokenizer.train_bpe(scratch / "pretrain.txt", 4096)
    found = [_source("mini corpus", scratch / "XNLI-1.0.zip", scratch / "XNLI-MT-1.0.zip", made, scratch / "pretrain.txt")]
    if os.environ.get(MIRROR):
        mirror = Path(os.environ[MIRROR])
        gpt2 = tokenizer.from_files(mirror / "gpt2-tokenizer/vocab.json", mirror / "gpt2-tokenizer/merges.txt")
        archives = mirror / "xnli/XNLI-1.0.zip", mirror / "xnli/XNLI-MT-1.0.zip"
        found.append(_source("XNLI", *archives, gpt2, mirror / "text/pretrain.txt"))
    return found


def _source(name: str, evaluation: Path, training: Path, made: Tokenizer, text: Path) -> Source:
    return Source(name, prompts(training, "train", "en", made), prompts(evaluation, "test", "en", made), made, text, evaluation)


def test_sets(source: Source) -> list[XNLIDataset]:
    """The test prompts of all languages, English first."""
    return [prompts(source.evaluation, "test", language, source.tokenizer) for language in LANGUAGES]


def prompts(archive: Path, split: str, language: str, made: Tokenizer) -> XNLIDataset:
    """The prompts of one split and language, with the published study's template."""
    table, _ = xnli.read_split(archive, split, language, nli.LABELS)
    return nli.encode(table, made, {"template": TEMPLATE, "labels": LABELS}, 1024)[0]


def rows_of(data: XNLIDataset, rows: np.ndarray) -> XNLIDataset:
    """These rows as a set of their own."""
    chosen = [data.sequence(row) for row in rows]
    return XNLIDataset(
        ids=np.concatenate(chosen),
        offsets=np.cumsum([0, *map(len, chosen)]),
        row_ids=data.row_ids[rows],
        clusters=data.clusters[rows],
        targets=data.targets[rows],
        candidates=data.candidates,
    )


def premises_of(data: XNLIDataset, count: int) -> XNLIDataset:
    """All rows of `count` premises, drawn at random, in the order of the data."""
    chosen = np.random.default_rng(0).permutation(np.unique(data.clusters))[:count]
    return rows_of(data, np.flatnonzero(np.isin(data.clusters, chosen)))


def repeated(data: XNLIDataset, rows: int) -> XNLIDataset:
    """The first `rows` rows of the data said again and again, each time with premises of its own."""
    times = -(-rows // len(data))
    repeated = rows_of(data, np.tile(np.arange(len(data)), times)[:rows])
    apart = np.repeat(np.arange(times), len(data))[:rows] * (int(data.clusters.max()) + 1)
    return dataclasses.replace(repeated, clusters=repeated.clusters + apart)
