"""The tables of the chapter: one function each, from what was kept of every model to rows. Each value has its n and interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

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


def published_cosines(study: Inside) -> pd.DataFrame:
    """Raw cosines in the first and the last third of the hidden states without the last one, as they were published."""
    table = study.representations
    table = table[(table["state"] == AS_IT_IS) & (table["measure"] == "raw_cosine")]
    rows = []
    for (model, language), some in table.groupby(["model", "language"], sort=False):
        places, blocks = some["layer"], int(some["layer"].max())
        third = max(1, blocks // 3)
        early, late = some[places < third], some[(places >= blocks - third) & (places < blocks)]
        row = {"model": model, "language": language, "n": some["n"].iloc[0]}
        for name, part in (("early", early), ("late", late)):
            row |= {name: part["value"].mean(), f"{name}_shuffled": part["null"].mean()}
        rows.append(row | {"gain": row["late"] - row["early"]})
    names = {"early_layers_0_3": "published_early", "late_layers_8_11": "published_late", "gain": "published_gain"}
    theirs = study.published.rename(columns=names)[["language", *names.values()]]
    columns = ["model", "language", "early", "early_shuffled", "late", "late_shuffled", "gain", "n"]
    return pd.DataFrame(rows, columns=columns).merge(theirs, on="language", how="left")


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


def ablation(study: Inside) -> pd.DataFrame:
    """What is lost without a language's neurons, and how much more than without as many others.

    Holm, by the normal p of `beyond`, over the languages and controls of a measure.
    """
    numbers = ["value", "error", "beyond", "beyond_error"]
    table = with_interval(study.ablation.astype(dict.fromkeys(numbers, float)), study)  # a table without rows has no types
    reach = statistics.normal_quantile(study.settings.confidence) * table["beyond_error"]
    table["beyond_low"], table["beyond_high"] = table["beyond"] - reach, table["beyond"] + reach
    scale = table["beyond_error"].where(table["beyond_error"] > 0)
    table["p"] = 2 * stats.norm.sf((table["beyond"] / scale).abs().fillna(0.0))
    table["p_holm"] = table.groupby([*SUBJECT, "measure"], sort=False)["p"].transform(lambda p: statistics.holm(p.to_numpy()))
    columns = ["ablated", "language", "measure", "neurons", "control", *MEASURED, "beyond", "beyond_low", "beyond_high", "p_holm"]
    return table[[*SUBJECT, *columns]]


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
