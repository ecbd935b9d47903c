"""The tables of the chapter: one function each, from what was kept of every model to rows. Each value has its n and interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carryover.analysis import statistics
from carryover.planning.paths import System
from chapters.interpretability.sources import AT_RANDOM, Inside

SUBJECT = [*System._fields, "state"]
MEASURED = ["value", "low", "high", "n"]


def with_interval(table: pd.DataFrame, study: Inside) -> pd.DataFrame:
    """The table with `low` and `high`, a normal interval from the standard error."""
    reach = statistics.normal_quantile(study.settings.confidence) * table["error"]
    return table.assign(low=table["value"] - reach, high=table["value"] + reach)


def similarity(study: Inside) -> pd.DataFrame:
    """How alike sentences are to those of the source language, by hidden state; Holm over the languages of a state and measure.

    learnt: the value minus that of the same model at random weights, with an interval as if the two were independent, too wide
    since they read the same sentences.
    """
    table = with_interval(study.representations, study)
    families = table.groupby([*SUBJECT, "layer", "measure"], sort=False)["p"]
    table["p_holm"] = families.transform(lambda p: statistics.holm(p.to_numpy()))
    place = ["model", "language", "layer", "measure"]
    random = table[table["state"] == AT_RANDOM][[*place, "value", "error"]]
    table = table.merge(random, on=place, how="left", suffixes=("", "_random"))
    table["learnt"] = (table["value"] - table["value_random"]).where(table["state"] != AT_RANDOM)
    reach = statistics.normal_quantile(study.settings.confidence) * np.hypot(table["error"], table["error_random"])
    table["learnt_low"], table["learnt_high"] = table["learnt"] - reach, table["learnt"] + reach
    columns = [*SUBJECT, "language", "layer", "measure", *MEASURED, "null", "p", "p_holm", "learnt", "learnt_low", "learnt_high"]
    return table[columns]


def attention(study: Inside) -> pd.DataFrame:
    """The attention of each block: means over its heads, with the lowest and the highest head.

    The interval is that of a mean of heads which vary as one, the widest that it can be.
    """
    groups = study.attention.groupby([*SUBJECT, "language", "layer", "measure"], sort=False)
    table = groups.agg(
        value=("value", "mean"), error=("error", "mean"), lowest=("value", "min"), highest=("value", "max"), n=("n", "first")
    )
    columns = [*SUBJECT, "language", "layer", "measure", *MEASURED, "lowest", "highest"]
    return with_interval(table.reset_index(), study)[columns]


def heads(study: Inside) -> pd.DataFrame:
    """Every head by itself."""
    return with_interval(study.attention, study)[[*SUBJECT, "language", "layer", "head", "measure", *MEASURED]]
