"""The tests that decide what was claimed of light ways of fine-tuning: each takes one model's tables and returns a verdict.

Times and memory are held against the reference's as ratios, on the logarithm, with Welch's t over seeds: the spread of one
machine's runs, and no more. With one seed a ratio has no interval and decides nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from carryover.analysis.claims import PLAIN, Decision, Estimate, Results, decide, difference_of, undecided
from carryover.analysis.comparison import ABOVE

LORA = "lora"
LIGHT = (LORA, "adapters", "ia3")  # what trains beside a frozen model
MATCH = 0.02  # within two points an accuracy counts as matched
HOURS = 1.5 / 4  # what the report's training took with low-rank updates, as a share of what it took without
NONE_HERE = "no low-rank updates were trained beside all weights on the same text"
ONE_SEED = "a time or a memory needs an interval, and so two seeds or more of both"


def _reference(results: Results) -> str | None:
    found = results.tables["methods"]["against"].dropna()
    return str(found.iloc[0]) if len(found) else None


def _ratios(results: Results, methods: tuple[str, ...], column: str, bound: float) -> list[Estimate]:
    """A price of each variant of these methods as a share of the reference's; p: Welch's, against the bound."""
    table = results.tables["training"]
    whole = np.log(table[table["variant"] == _reference(results)][column].to_numpy(dtype=float))
    found = []
    for variant, rows in table[table["method"].isin(methods)].groupby("variant", sort=False):
        own = np.log(rows[column].to_numpy(dtype=float))
        if len(own) < 2 or len(whole) < 2:
            found.append(Estimate(str(variant), float(np.exp(own.mean() - whole.mean())), np.nan, np.nan, len(own)))
            continue
        test = stats.ttest_ind(own - np.log(bound), whole, equal_var=False)
        ends = test.confidence_interval(results.confidence)
        low, high = (float(bound * np.exp(end)) for end in (ends.low, ends.high))
        found.append(
            Estimate(str(variant), float(np.exp(own.mean() - whole.mean())), low, high, len(own) + len(whole), float(test.pvalue))
        )
    return found


def _decide_ratios(results: Results, methods: tuple[str, ...], column: str, bound: float) -> Decision:
    """The verdict on a claim that every ratio is at most a bound; the bare ratios where they have no interval."""
    if _reference(results) is None:
        return undecided(NONE_HERE)
    found = _ratios(results, methods, column, bound)
    if found and any(np.isnan(one.low) for one in found):
        return undecided(ONE_SEED, "; ".join(f"{one.name} {one.value:.2f}" for one in found), min(one.n for one in found))
    return decide(found, results.confidence, high=bound, unit=PLAIN, missing=NONE_HERE)


def _difference(row: dict[str, Any], name: str, n: int, start: str = "") -> Estimate:
    """A row's difference with its interval, whose columns have this beginning."""
    low, high = row[f"{start}difference_low"], row[f"{start}difference_high"]
    return Estimate(name, row[f"{start}difference"], low, high, n)


def _differences(results: Results, table: pd.DataFrame) -> list[Estimate]:
    """Accuracies in the source language minus the reference's, by variant."""
    reached = results.tables["accuracy"]
    rows = reached[reached["language"] == results.source].set_index("variant")["n"]
    told = table.dropna(subset=["source_difference"]).to_dict("records")
    return [_difference(row, row["variant"], int(rows[row["variant"]]), "source_") for row in told]


def _lora(results: Results) -> pd.DataFrame:
    table = results.tables["methods"]
    return table[table["method"] == LORA]


def lora_shortens_training(results: Results) -> Decision:
    """Low-rank updates take at most 1.5 / 4 of the time an example that all weights take."""
    return _decide_ratios(results, (LORA,), "seconds_per_thousand", HOURS)


def light_methods_need_less_memory(results: Results) -> Decision:
    """Every method that trains beside a frozen model has a lower peak of memory than training all weights."""
    return _decide_ratios(results, LIGHT, "peak_memory_mb", 1.0)


def rank_eight_matches_full(results: Results) -> Decision:
    """Low-rank updates of rank 8 or more are no more than two points below all weights in the source language."""
    table = _lora(results)
    found = _differences(results, table[table["rank"] >= 8])
    return decide(found, results.confidence, low=-MATCH, missing=NONE_HERE)


def higher_ranks_return_less(results: Results) -> Decision:
    """At one alpha / rank, the lower half of the steps of rank gains more accuracy than the upper half.

    The differences are taken as independent, so the interval is too wide.
    """
    table = _lora(results).dropna(subset=["rank", "alpha", "source_difference"])
    for _, rows in table.groupby(table["alpha"] / table["rank"], sort=False):
        ranks = rows.sort_values("rank").drop_duplicates("rank")
        if len(ranks) >= 3:
            low, middle, high = (_differences(results, ranks.iloc[[place]])[0] for place in (0, len(ranks) // 2, -1))
            gains = difference_of(middle, low), difference_of(high, middle)
            found = [difference_of(*gains)._replace(name="first minus second gain")]
            return decide(found, results.confidence, low=0, missing="")
    return undecided("needs three ranks at one alpha / rank")


def lora_keeps_other_languages(results: Results) -> Decision:
    """Low-rank updates are no more than two points below all weights in every other language in which these are above chance."""
    table = results.tables["accuracy"]
    whole = table[(table["variant"] == _reference(results)) & (table["verdict"] == ABOVE)]["language"]
    rows = table[(table["method"] == LORA) & table["language"].isin(set(whole) - {results.source})].dropna(subset=["difference"])
    found = [_difference(row, row["language"], int(row["n"])) for row in rows.to_dict("records")]
    missing = "no low-rank updates were asked another language in which training all weights is above chance"
    return decide(found, results.confidence, low=-MATCH, missing=missing)


def lora_forgets_less(results: Results) -> Decision:
    """Bits per byte of source-language sentences rise less with low-rank updates than with all weights."""
    table = results.tables["forgetting"]
    rows = table[table["method"] == LORA].dropna(subset=["difference"]).to_dict("records")
    found = [_difference(row, row["variant"], int(row["n"])) for row in rows]
    missing = "what tuning forgot was not asked of low-rank updates and of all weights"
    return decide(found, results.confidence, high=0, unit=PLAIN, missing=missing)
