"""The rows of a corpus that a study uses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from carryover.runtime.errors import BadInput


def take_subset(table: pd.DataFrame, size: float | int, drawn_with: int | None) -> pd.DataFrame:
    """The first rows (as published), or, with a seed, drawn rows in their order in the file.

    size: a count, or a fraction of the rows where it is a float up to 1.0 (rounded down). Raises BadInput where a count
    is more than there are.
    """
    count = math.floor(size * len(table) + 1e-6) if isinstance(size, float) else size  # 0.29 * 100 is 28.999...
    if not 0 < count <= len(table):
        raise BadInput(f"subset: {size} asks for {count} of {len(table)} rows")
    if drawn_with is None:
        return table.iloc[:count].reset_index(drop=True)
    chosen = np.sort(np.random.default_rng(drawn_with).permutation(len(table))[:count])
    return table.iloc[chosen].reset_index(drop=True)
