"""The embedded corpus, built once, and its rows taken apart without the reader under test."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from functools import cache
from pathlib import Path

import pandas as pd

from carryover.data import mini
from made_once import made_once

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "data" / "mini"
LANGUAGES = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
SPLITS = ("train", "dev", "test")
EVAL_COLUMNS = ["language", "label", "premise", "hypothesis", "premise_id", "pair_id", "genre"]
TRAIN_MEMBER = "XNLI-MT-1.0/multinli/multinli.train.{}.tsv"


@cache
def built() -> dict[str, bytes]:
    """The files of the corpus by name."""
    return {path.name: path.read_bytes() for path in built_files()}


def built_files() -> list[Path]:
    """The files of the corpus on disk, only to be read."""

    def make(place: Path) -> None:
        for name, content in mini.build(SOURCE).items():
            (place / name).write_bytes(content)

    return sorted(made_once("corpus", make).iterdir())


@cache
def members() -> dict[str, str]:
    """The text of every member of both archives."""
    texts = {}
    for name in ("XNLI-1.0.zip", "XNLI-MT-1.0.zip"):
        with zipfile.ZipFile(io.BytesIO(built()[name])) as archive:
            texts |= {info.filename: archive.read(info).decode("utf-8") for info in archive.infolist()}
    return texts


@cache
def rows(split: str, language: str) -> pd.DataFrame:
    """The rows of one split in one language."""
    member = TRAIN_MEMBER.format(language) if split == "train" else f"XNLI-1.0/xnli.{split}.tsv"
    lines = [line.split("\t") for line in members()[member].removesuffix("\n").split("\n")[1:]]
    if split == "train":
        return pd.DataFrame(lines, columns=["premise", "hypothesis", "label"])
    return pd.DataFrame([line for line in lines if line[0] == language], columns=EVAL_COLUMNS)


def texts(table: pd.DataFrame) -> list[str]:
    """Every premise and every hypothesis."""
    return [*table["premise"], *table["hypothesis"]]


def letters(text: str) -> str:
    """Letters and digits alone, small: the same for raw and for tokenised text."""
    return "".join(sign for sign in text.replace("İ", "i").casefold() if unicodedata.category(sign)[0] in "LMN")
