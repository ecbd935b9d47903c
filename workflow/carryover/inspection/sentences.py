"""The sentences that models read: the same ones in every language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from carryover.runtime.errors import BadInput


def parallel(tables: Sequence[pd.DataFrame], count: int, key: str) -> list[list[str]]:
    """The first `count` premises that all languages have, a list for each table, item by item the same sentence.

    tables: the rows of each language, with `cluster` (the number of a premise, the same in all languages) and `premise`; key: of
    the config that asks for so many. Raises BadInput where there are fewer.
    """
    texts = [table.drop_duplicates("cluster").set_index("cluster")["premise"] for table in tables]
    shared = [cluster for cluster in texts[0].index if all(cluster in other.index for other in texts[1:])]
    if len(shared) < count:
        raise BadInput(f"config: interpretability.{key}: {count} asked, and there are {len(shared)} premises in all languages")
    return [list(one.loc[shared[:count]]) for one in texts]


def encode(tokenizer: Tokenizer, texts: Sequence[str], context: int | None) -> list[np.ndarray]:
    """Token ids of each text, cut at the model's context; without special tokens, as in prompts."""
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [np.array(one.ids[:context], dtype=np.int32) for one in encoded]
