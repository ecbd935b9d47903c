"""Verdicts on published claims: supported, contradicted or undecided, with the numbers and the intervals that decided.

A claim is a row of `data/published/claims.csv`; it names the test that decides it, or says why nothing here can. A test is
a public function of a chapter's `claims.py` that takes `Results` and returns a `Decision`. A chapter's claims are decided
for each model of a study by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from carryover.analysis import statistics
from carryover.metrics.bootstrap import Settings, interval
from carryover.runtime.errors import BadInput

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
EVERY, SOME, MOST = "every", "some", "most"
COLUMNS = ["source", "section", "claim", "chapter", "models", "test", "reason"]
SHOWN_NUMBERS = 5  # estimates whose numbers a verdict lists
NAMED = 8  # values of one outcome that a verdict names


@dataclass(frozen=True)
class Results:
    """What a test decides from: one model's tables by name, and what is known of the languages.

    scripts: the script of each language; source: the language that models are first trained on; incomparable: why the
    study's accuracies cannot be compared with published ones, empty where they can.
    """

    model: str
    tables: Mapping[str, pd.DataFrame]
    scripts: Mapping[str, str]
    source: str
    settings: Settings
    incomparable: str = ""

    @property
    def confidence(self) -> float:
        return self.settings.confidence


class Estimate(NamedTuple):
    """A value with its interval; n: the rows or languages behind it.

    p: a two-sided test against the one bound that a claim has; without it the normal one of the interval is used.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    p: float | None = None


class Unit(NamedTuple):
    """How numbers are written: `scale` times the value, with `digits` decimals, a sign if it is a difference, and a word."""

    scale: float
    digits: int
    sign: str
    word: str


POINTS, PERCENT, PLAIN = Unit(100, 1, "+", " points"), Unit(100, 1, "", " %"), Unit(1, 2, "", "")


class Decision(NamedTuple):
    """A verdict; numbers: what decided it, as text; n: the rows or languages behind a number; why: in words."""

    verdict: str
    numbers: str
    n: int | None
    why: str


Test = Callable[[Results], Decision]


def undecided(why: str, numbers: str = "", n: int | None = None) -> Decision:
    """No verdict, and what is missing for one."""
    return Decision(UNDECIDED, numbers, n, why)


def interval_p(estimate: Estimate, reference: float, confidence: float) -> float:
    """Two-sided normal p of a value against a reference, with the standard error that the width of its interval gives."""
    error = (estimate.high - estimate.low) / (2 * statistics.normal_quantile(confidence))
    distance = abs(estimate.value - reference)
    if error > 0:
        return float(2 * stats.norm.sf(distance / error))
    return 1.0 if distance == 0 else 0.0


def sides(estimates: Sequence[Estimate], low: float, high: float, confidence: float) -> list[int]:
    """For each estimate: 1 where it is clearly between the bounds, -1 where clearly outside, else 0.

    Clear is what both the whole interval and the test against the nearest bound say, the tests corrected by Holm's method
    over the estimates. A bound may be infinite.
    """
    bounds = [bound for bound in (low, high) if math.isfinite(bound)]
    p_values = []
    for one in estimates:
        nearest = min(bounds, key=lambda bound: abs(one.value - bound))
        p_values.append(one.p if one.p is not None else interval_p(one, nearest, confidence))
    found = []
    for one, p in zip(estimates, statistics.holm(np.array(p_values, dtype=float)), strict=True):
        inside, outside = low < one.low and one.high < high, one.high < low or one.low > high
        found.append(int(inside) - int(outside) if p < 1 - confidence else 0)
    return found


def decide(
    estimates: Sequence[Estimate],
    confidence: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    of: str = EVERY,
    unit: Unit = POINTS,
    missing: str = "there are no such results",
) -> Decision:
    """The verdict on a claim that every, some or most of the values lie between two bounds.

    `every` is contradicted by one value that is clearly outside, `some` by all of them, and `most` by at least half. The
    verdict lists the numbers that decided it, those nearest to the bounds first where it is supported. missing: what to
    say where there are no values.
    """
    estimates = [one for one in estimates if not math.isnan(one.value)]
    if not estimates:
        return undecided(missing)
    found = sides(estimates, low, high, confidence)
    inside, outside = found.count(1), found.count(-1)
    enough = {EVERY: inside == len(found), SOME: inside > 0, MOST: 2 * inside > len(found)}[of]
    against = {EVERY: outside > 0, SOME: outside == len(found), MOST: 2 * outside >= len(found)}[of]
    verdict = SUPPORTED if enough else CONTRADICTED if against else UNDECIDED
    deciding = [one for one, side in zip(estimates, found, strict=True) if side == (enough - against)]
    bounds = [bound for bound in (low, high) if math.isfinite(bound)]
    nearest = sorted(deciding, key=lambda one: min(abs(one.value - bound) for bound in bounds), reverse=verdict != SUPPORTED)
    why = "clear" if len(found) == 1 and found[0] else "not clear" if len(found) == 1 else _counted(estimates, found)
    return Decision(verdict, numbers(nearest, confidence, unit), min(one.n for one in estimates), why)


def _counted(estimates: Sequence[Estimate], found: Sequence[int]) -> str:
    """How many values say what, by name where they are few."""
    told = []
    for side, words in ((1, "as claimed"), (-1, "the reverse"), (0, "not clear")):
        names = [one.name for one, other in zip(estimates, found, strict=True) if other == side]
        if names:
            named = f" ({' '.join(names)})" if len(names) <= NAMED else ""
            told.append(f"{words} in {len(names)} of {len(found)}{named}")
    return "; ".join(told)


def numbers(estimates: Sequence[Estimate], confidence: float, unit: Unit) -> str:
    """Values with their intervals, the first few of them."""
    told = [f"{one.name} {_written(one, unit)}".strip() for one in estimates[:SHOWN_NUMBERS]]
    rest = len(estimates) - len(told)
    listed = "; ".join(told) + (f"; and {rest} more" if rest else "")
    return f"{listed} ({100 * confidence:g} % intervals)" if listed else ""


def _written(one: Estimate, unit: Unit) -> str:
    value, low, high = (f"{unit.scale * number:{unit.sign}.{unit.digits}f}" for number in (one.value, one.low, one.high))
    return f"{value}{unit.word} [{low} to {high}]"


def mean_of(estimates: Sequence[Estimate], name: str) -> Estimate:
    """The mean of several values that share their rows.

    Its interval is as wide as the mean interval, which is the widest it can be: that of values which vary as one.
    """
    value = float(np.mean([one.value for one in estimates]))
    below = float(np.mean([one.value - one.low for one in estimates]))
    above = float(np.mean([one.high - one.value for one in estimates]))
    return Estimate(name, value, value - below, value + above, min(one.n for one in estimates))


def difference_of(first: Estimate, second: Estimate) -> Estimate:
    """The first value minus the second, as if they were independent: too wide an interval where they share rows."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(f"{first.name}-{second.name}", value, value - below, value + above, min(first.n, second.n))


def group_difference(name: str, first: Sequence[float], second: Sequence[float], settings: Settings) -> Estimate:
    """The mean over one group of languages minus that over another.

    p: exact two-sided rank test of Mann and Whitney; the interval resamples the languages of each group; n: languages.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    rng = np.random.default_rng(settings.seed)
    means = [group[rng.integers(0, len(group), (settings.resamples, len(group)))].mean(axis=1) for group in (x, y)]
    low, high = interval(means[0] - means[1], settings.confidence)
    ties = len(np.unique(np.concatenate([x, y]))) < len(x) + len(y)
    p = stats.mannwhitneyu(x, y, method="asymptotic" if ties else "exact").pvalue
    return Estimate(name, float(x.mean() - y.mean()), low, high, len(x) + len(y), float(p))


def deciding_tests(module: ModuleType) -> dict[str, Test]:
    """The tests of a chapter: the public functions of its module that return a Decision."""
    functions = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    annotated = {name: getattr(value, "__annotations__", {}).get("return") for name, value in functions.items()}
    return {name: functions[name] for name, given in annotated.items() if given == "Decision" and not name.startswith("_")}


def claims_of(claims: pd.DataFrame, chapter: str) -> list[dict[str, Any]]:
    """The claims that a chapter decides. Raises BadInput where a row has neither a test nor a reason, or both."""
    if missing := [name for name in COLUMNS if name not in claims]:
        raise BadInput(f"data/published/claims.csv: has no column {', '.join(missing)}")
    rows = claims[COLUMNS].fillna("").to_dict("records")
    for row in rows:
        if bool(row["test"]) == bool(row["reason"]):
            raise BadInput(f"data/published/claims.csv: {row['claim']!r} needs either a test or the reason why it has none")
    return [row for row in rows if row["chapter"] == chapter]


def verdicts(claims: Sequence[Mapping[str, Any]], tests: Mapping[str, Test], results: Results) -> list[dict[str, Any]]:
    """One row a claim, for one model. A claim about other models than this one is undecided."""
    rows = []
    for claim in claims:
        of_others = claim["models"] and not results.model.startswith(tuple(claim["models"].split()))
        if claim["reason"]:
            decision = undecided(claim["reason"])
        elif claim["test"] not in tests:
            raise BadInput(f"data/published/claims.csv: {claim['test']} is no test of chapter {claim['chapter']}")
        elif of_others:
            decision = undecided(f"a claim about {claim['models']}, which {results.model} is not")
        else:
            decision = tests[claim["test"]](results)
        named = {name: claim[name] for name in ("source", "section", "claim", "test")}
        rows.append({"model": results.model} | named | decision._asdict())
    return rows


def all_of(decisions: Sequence[Decision]) -> Decision:
    """The verdict on a claim of several parts: one contradicted part contradicts it."""
    return _together(decisions, SUPPORTED, CONTRADICTED)


def any_of(decisions: Sequence[Decision]) -> Decision:
    """The verdict on a claim of alternatives: one supported alternative supports it."""
    return _together(decisions, CONTRADICTED, SUPPORTED)


def _together(decisions: Sequence[Decision], by_all: str, by_one: str) -> Decision:
    found = [decision.verdict for decision in decisions]
    verdict = by_one if by_one in found else by_all if set(found) == {by_all} else UNDECIDED
    deciding = [decision for decision in decisions if decision.verdict == verdict] or list(decisions)
    counts = [decision.n for decision in deciding if decision.n is not None]
    texts = ["; ".join(dict.fromkeys(text for text in part if text)) for part in zip(*[d[1::2] for d in deciding], strict=True)]
    return Decision(verdict, texts[0], min(counts, default=None), texts[1])
