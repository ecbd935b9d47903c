"""Rows of the chapter's tables as estimates, for the tests that decide claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from carryover.analysis.claims import PLAIN, Decision, Estimate, Results, all_of, decide, difference_of, undecided
from carryover.analysis.comparison import ABOVE
from carryover.analysis.published import COMPARABLE
from carryover.analysis.study import JOINT
from carryover.reporting.phrases import Row, rows
from chapters.transfer.comparisons import RECIPE
from chapters.transfer.references import MEAN

CLOSE = 0.03  # of accuracy: how near a published figure has to be met
GOOD, MODERATE = 0.40, 0.30  # the report's bounds of accuracy
FEW, MANY = 2.5, 3.5  # the report's bounds of tokens per word
LATIN = "Latin"
Judged = Callable[[float | None, float | None], Decision]  # of a quantity between two bounds


def estimate(row: Row, value: str, low: str, high: str, name: str = "") -> Estimate:
    """A value of a row with its interval, named by the row's language."""
    return Estimate(name or row["language"], row[value], row[low], row[high], int(row["n"]))


def lead(row: Row) -> Estimate:
    """An accuracy less chance; its test is the clustered one, two-sided."""
    p = min(1.0, 2 * min(row["p_chance"], 1 - row["p_chance"]))
    value, low, high = (row[name] - row["chance"] for name in ("accuracy", "low", "high"))
    return Estimate(row["language"], value, low, high, int(row["n"]), p)


def change(row: Row, name: str = "") -> Estimate:
    """A paired difference of two models; its test is McNemar's."""
    return estimate(row, "difference", "difference_low", "difference_high", name)._replace(p=row["p_mcnemar"])


def per_word(row: Row) -> Estimate:
    """Tokens per word of a language; n: rows."""
    return Estimate(row["language"], row["tokens_per_word"], row["word_low"], row["word_high"], int(row["rows"]))


def margins(one: Estimate, low: float | None, high: float | None) -> list[Estimate]:
    """How far a value is inside each of its bounds; negative where it is outside."""
    found = []
    if low is not None:
        found.append(one._replace(value=one.value - low, low=one.low - low, high=one.high - low))
    if high is not None:
        found.append(one._replace(value=high - one.value, low=high - one.high, high=high - one.low))
    return found


def as_published(differences: Iterable[Estimate], results: Results) -> Decision:
    """Differences to published figures within 3 points.

    Those figures have a sampling error too, which is taken to be as large as ours.
    """
    wider = []
    for one in differences:
        below, above = (2**0.5 * reach for reach in (one.value - one.low, one.high - one.value))
        wider.append(one._replace(low=one.value - below, high=one.value + above))
    return decide(wider, results.confidence, low=-CLOSE, high=CLOSE)


def settings(results: Results, changed: str, factor: float) -> list[Estimate]:
    """The variants whose recipe differs from the baseline's in `changed` alone, `factor` times as large: test differences."""
    table = rows(results.tables["hyperparameters"], split="test")
    baseline = [row for row in table if pd.isna(row["difference"])]
    if len(baseline) != 1:
        return []
    same = [name for name in RECIPE if name != changed]
    found = []
    for row in table:
        alike = all(row[name] == baseline[0][name] or (pd.isna(row[name]) and pd.isna(baseline[0][name])) for name in same)
        if alike and math.isclose(row[changed], factor * baseline[0][changed]):
            found.append(change(row, row["variant"]))
    return found


def others(results: Results) -> list[Row]:
    """The zero-shot rows of all languages but the source."""
    return [row for row in results.tables["zero_shot"].to_dict("records") if row["language"] != results.source]


def accuracies(results: Results) -> dict[str, Estimate]:
    """Zero-shot accuracy by language, without the source."""
    return {row["language"]: estimate(row, "accuracy", "low", "high") for row in others(results)}


def any_above(results: Results) -> bool:
    """Whether another language than the source is above chance."""
    return any(row["verdict"] == ABOVE for row in others(results))


def strong(results: Results) -> set[str]:
    """The source and the languages that are above chance zero-shot."""
    return {results.source, *(row["language"] for row in others(results) if row["verdict"] == ABOVE)}


def costly(results: Results) -> set[str]:
    """The languages of more than 3.5 tokens a word of dev text, which every language has."""
    return {row["language"] for row in rows(results.tables["fertility"], text="dev") if row["tokens_per_word"] > MANY}


def not_comparable(results: Results) -> str:
    """Why zero-shot accuracies cannot be compared with published ones; empty where they can."""
    reasons = [row["comparison"] for row in others(results)]
    return "" if COMPARABLE in reasons else (reasons[0] if reasons else "no model was tested in another language")


def by_script(values: Mapping[str, Any], results: Results) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values by language, those in Latin script and the others."""
    latin = {code: value for code, value in values.items() if results.scripts.get(code) == LATIN}
    return latin, {code: value for code, value in values.items() if code not in latin}


def ahead(values: Mapping[str, Estimate], first: tuple[str, ...], results: Results, behind: bool = False) -> Decision:
    """Whether each of the first languages is ahead of (or behind) each of the others."""
    rest = [code for code in values if code not in first]
    if not first or not rest or (missing := [code for code in first if code not in values]):
        lacking = (
            "there are no two groups of languages to compare" if not first or not rest else f"no result in {' '.join(missing)}"
        )
        return undecided(lacking)
    pairs = [(other, one) if behind else (one, other) for one in first for other in rest]
    return decide([difference_of(values[one], values[other]) for one, other in pairs], results.confidence, low=0)


def falls(results: Results, regime: str, outcome: str) -> Decision:
    """Whether an outcome falls with tokens per word, by rank correlation over languages."""
    found = rows(results.tables["correlation"], regime=regime, outcome=outcome, predictor="tokens_per_word")
    if not found or pd.isna(found[0]["rho"]):
        return undecided(f"{int(found[0]['n']) if found else 0} languages have such a value; a rank correlation needs four")
    row = found[0]
    rho = Estimate("rho", row["rho"], row["low"], row["high"], int(row["n"]), row["p"])
    return decide([rho], results.confidence, high=0, unit=PLAIN)


def tiers(results: Results, codes: tuple[str, ...], judge: Callable[[Judged, Judged], Decision]) -> Decision:
    """Whether each language is in a tier, which `judge` tells from its tokens per word and its zero-shot accuracy."""
    if reason := not_comparable(results):
        return undecided(reason)
    counted = {row["language"]: per_word(row) for row in rows(results.tables["fertility"], text="dev")}
    reached = accuracies(results)
    if missing := [code for code in codes if code not in counted or code not in reached]:
        return undecided(f"no result in {' '.join(missing)}")

    def judged(one: Estimate, unit: Any) -> Judged:
        return lambda low, high: decide(margins(one, low, high), results.confidence, low=0, **unit)

    return all_of([judge(judged(counted[code], {"unit": PLAIN}), judged(reached[code], {})) for code in codes])


def own(results: Results) -> dict[str, Row]:
    """The rows of languages with a model of their own."""
    return {row["language"]: row for row in results.tables["per_language"].to_dict("records") if row["language"] != MEAN}


def joint(results: Results) -> list[str]:
    """The names of the joint models, those of fewer languages first."""
    return [regime for regime in dict.fromkeys(results.tables["regimes"]["regime"]) if regime.startswith(JOINT)]


def at_equal_effort(
    results: Results, criterion: str, codes: set[str], low: float = -math.inf, high: float = math.inf
) -> Decision:
    """Joint minus single model where both were trained as long, in some languages; or the run that is missing."""
    table = [row for row in rows(results.tables["equal_effort"], equal_in=criterion) if row["language"] in codes]
    fair = [change(row) for row in table if pd.notna(row["difference"])]
    if fair:
        return decide(fair, results.confidence, low=low, high=high)
    lacking = sorted({row["missing"] for row in table if isinstance(row["missing"], str)})
    return undecided(f"needs {', '.join(lacking)}" if lacking else "no such language has both a joint model and one of its own")
