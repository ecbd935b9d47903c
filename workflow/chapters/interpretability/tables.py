"""The tables of the chapter: one function each, from what was kept of every model to rows. Each value has its n and interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carryover.analysis import statistics
from carryover.planning.paths import System
from chapters.interpretability.sources import AS_IT_IS, AT_RANDOM, TUNED, Inside

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


def lens(study: Inside) -> pd.DataFrame:
    """What each hidden state would answer, by language."""
    return with_interval(study.lens, study)[[*SUBJECT, "language", "layer", "measure", *MEASURED]]


def tuning(study: Inside) -> pd.DataFrame:
    """What fine-tuning on the source language did to the other languages' similarity to it: after minus before.

    The interval is that of independent values, too wide since both read the same sentences.
    """
    table, place = study.representations, ["model", "language", "layer", "measure"]
    after, before = (table[table["state"] == state] for state in (TUNED, AS_IT_IS))
    both = after.merge(before[[*place, "value", "error"]], on=place, suffixes=("", "_before"))
    reach = statistics.normal_quantile(study.settings.confidence) * np.hypot(both["error"], both["error_before"])
    both["change"] = both["value"] - both["value_before"]
    both["change_low"], both["change_high"] = both["change"] - reach, both["change"] + reach
    return both[[*SUBJECT, "language", "layer", "measure", "value_before", "value", "change", "change_low", "change_high", "n"]]


def heads(study: Inside) -> pd.DataFrame:
    """Every head by itself."""
    return with_interval(study.attention, study)[[*SUBJECT, "language", "layer", "head", "measure", *MEASURED]]
