"""How finely a tokeniser cuts each language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from tokenizers import Tokenizer


def compute_fertility(texts: Sequence[str], tokenizer: Tokenizer) -> dict[str, float]:
    """Tokens per whitespace word as published: each text encoded by itself after stripping, sums over sums.

    Beside it the counts, tokens per character and bytes (UTF-8) per token, which also mean something where words are not
    written apart.
    """
    texts = [text.strip() for text in texts]
    counts = {
        "words": sum(len(text.split()) for text in texts),
        "tokens": sum(len(encoding) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)),
        "characters": sum(len(text) for text in texts),
        "bytes": sum(len(text.encode()) for text in texts),
    }
    return {
        **counts,
        "tokens_per_word": counts["tokens"] / counts["words"],
        "tokens_per_character": counts["tokens"] / counts["characters"],
        "bytes_per_token": counts["bytes"] / counts["tokens"],
    }


def measure(tables: dict[tuple[str, str], pd.DataFrame], tokenizer: Tokenizer, rows: int) -> pd.DataFrame:
    """Fertility of every language: of the first `rows` rows of training text and of the whole, parallel dev set.

    tables: corpus tables by (language, `train` or `dev`), with the text as published. The token premium (Petrov et al.
    2023) is the tokens of a language over those of English for the same sentences; only dev has it, where the pair ids are
    the same.
    """
    measured: list[dict[str, Any]] = []
    for (language, text), table in tables.items():
        table = table.head(rows) if text == "train" else table
        texts = [*table["published_premise"], *table["published_hypothesis"]]
        measured.append({"language": language, "text": text, "rows": len(table), **compute_fertility(texts, tokenizer)})
    result = pd.DataFrame(measured)
    english = tables.get(("en", "dev"))
    base = {row["text"]: row["tokens"] for row in measured if row["language"] == "en"}
    parallel = [
        text == "dev" and english is not None and english["pair_id"].equals(tables[language, text]["pair_id"])
        for language, text in tables
    ]
    return result.assign(token_premium=(result["tokens"] / base.get("dev", float("nan"))).where(parallel))
