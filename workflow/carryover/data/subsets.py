"""The rows of a corpus that a study uses."""

from __future__ import annotations

import hashlib
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


def draw_clusters(table: pd.DataFrame, rows: int, drawn_with: int) -> pd.DataFrame:
    """At least so many rows, in their order in the file, with all rows of each cluster that is drawn.

    Whether a cluster comes before another depends on the seed and the two of them alone: tables with the same clusters (the
    languages of a parallel corpus) keep the same ones, and a larger draw holds a smaller one. Raises BadInput where there are
    fewer rows.
    """
    if rows > len(table):
        raise BadInput(f"evaluation_rows: {rows} asked for of {len(table)}")
    counts = table.groupby("cluster").size()
    order = sorted(counts.index, key=lambda cluster: hashlib.sha256(f"{drawn_with}/{cluster}".encode()).digest())
    kept = order[: int(np.searchsorted(np.cumsum(counts[order]), rows)) + 1]
    return table[table["cluster"].isin(kept)].reset_index(drop=True)
