"""How finely a tokeniser cuts each language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

TEXTS = ["published_premise", "published_hypothesis"]


def text_in(script: str) -> str:
    """What the dev set in another script is called, where `dev` and `train` name text as it is."""
    return f"dev in {script}"


def compute_fertility(texts: Sequence[str], tokenizer: Tokenizer) -> dict[str, float]:
    """Tokens per whitespace word as published: each text encoded by itself after stripping, sums over sums.

    Beside it the counts, tokens per character and bytes (UTF-8) per token, which also mean something where words are not
    written apart.
    """
    return _ratios(_counted(texts, tokenizer))


def _ratios(counted: dict[str, np.ndarray]) -> dict[str, float]:
    counts = {name: int(each.sum()) for name, each in counted.items()}
    return {
        **counts,
        "tokens_per_word": counts["tokens"] / counts["words"],
        "tokens_per_character": counts["tokens"] / counts["characters"],
        "bytes_per_token": counts["bytes"] / counts["tokens"],
    }


def _counted(texts: Sequence[str], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Words, tokens, characters and bytes of each text [n]."""
    texts = [text.strip() for text in texts]
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return {
        "words": np.array([len(text.split()) for text in texts]),
        "tokens": np.array([len(encoding) for encoding in encodings]),
        "characters": np.array([len(text) for text in texts]),
        "bytes": np.array([len(text.encode()) for text in texts]),
    }


def ratio_error(above: np.ndarray, below: np.ndarray, clusters: np.ndarray) -> float:
    """The standard error of a ratio of sums, by linearisation (Cochran 1977, chapter 6), rows of a cluster going together.

    above, below, clusters [n]: the parts of each row, and its cluster.
    """
    residual = above - above.sum() / below.sum() * below
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=residual)
    return float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / below.sum())


def measure(tables: dict[tuple[str, str], pd.DataFrame], tokenizer: Tokenizer, rows: int, source: str) -> pd.DataFrame:
    """Fertility of every language: of the first `rows` rows of training text and of the whole, parallel dev set.

    tables: corpus tables by (language, text), with the text as published; text is `train`, `dev` or what else of dev there is,
    such as `dev in latin`. Standard errors take the sentences as a sample, those of one premise together. The token premium
    (Petrov et al. 2023) is the tokens of a language over those of English for the same sentences; only dev has it, where the
    ids are the same.
    """
    measured = []
    tokens: dict[tuple[str, str], np.ndarray] = {}
    for (language, text), table in tables.items():
        table = table.head(rows) if text == "train" else table
        counted = _counted([*table["published_premise"], *table["published_hypothesis"]], tokenizer)
        by_row = {name: each.reshape(2, -1).sum(axis=0) for name, each in counted.items()}
        tokens[language, text] = by_row["tokens"]
        error = ratio_error(by_row["tokens"], by_row["words"], table["cluster"].to_numpy())
        row: dict[str, Any] = {
            "language": language,
            "text": text,
            "rows": len(table),
            **_ratios(counted),
            "tokens_per_word_se": error,
        }
        measured.append(row | {"token_premium": float("nan"), "token_premium_se": float("nan")})
    english = tables.get((source, "dev"))
    for row in measured:
        own = tables[row["language"], row["text"]]
        if row["text"] != "train" and english is not None and english["id"].equals(own["id"]):
            theirs = tokens[source, "dev"]
            row["token_premium"] = row["tokens"] / int(theirs.sum())
            row["token_premium_se"] = ratio_error(tokens[row["language"], row["text"]], theirs, own["cluster"].to_numpy())
    return pd.DataFrame(measured)
