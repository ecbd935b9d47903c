"""The tables of the chapter: what each way of adapting a model reaches, what it costs, and what it forgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from carryover.analysis.comparison import ABOVE, PAIRED, difference, judge, judge_differences, measure, score
from carryover.analysis.likelihoods import asked_of
from carryover.analysis.predictions import Cell, paired, resampled
from carryover.analysis.statistics import Correlation, holm, smallest_detectable, spearman
from carryover.metrics import accuracy as correct_share
from carryover.metrics import bits_per_byte
from carryover.metrics.bootstrap import Settings, interval, paired_p
from carryover.planning.paths import System, as_it_is
from chapters.adaptation.sources import Adaptation

SYSTEM = ["model", "method", "variant"]
DIFFERENCE = ["difference", "difference_low", "difference_high", "p_difference", "detectable", "finding"]
PARTS = ("source", "others")  # the source language, and the mean of the others
MEAN = ["accuracy", "low", "high", "languages", *DIFFERENCE]
SPENT = ["rank", "alpha", "examples", "updates", "parameters", "trained_share"]
PRICES = ["trained_parameters", "model_bytes", "seconds_per_thousand", "peak_memory_mb"]


def named(system: System) -> dict[str, Any]:
    """What a row says of its system."""
    return {name: getattr(system, name) for name in SYSTEM}


def models(study: Adaptation) -> pd.DataFrame:
    """The models whose adaptation is compared, with the number of systems of each: what the chapter tells of one by one."""
    counts = pd.Series([system.model for system in study.systems()], dtype=str).value_counts(sort=False)
    return counts.rename_axis("model").reset_index(name="systems")


def accuracy(study: Adaptation) -> pd.DataFrame:
    """Every system in every language, minus the reference on the same rows; Holm over the languages of a system."""
    table = []
    for system in study.systems():
        other, rows, differences = study.reference(system), [], []
        languages = study.asked(system)
        for language in languages:
            cell, against = study.cell(system, language), study.cell(other, language)
            if cell is None:
                continue
            row = named(system) | {"train": system.train, "language": language, "seeds": len(cell.seeds)}
            row |= score(cell, study.settings)
            if against is not None:
                row |= difference(cell, against, correct_share, study.settings, len(languages))
                differences.append(row)
            rows.append(row)
        judge(rows, study.settings)
        judge_differences(differences, study.settings, PAIRED)
        table += rows
    columns = [*SYSTEM, "train", "language", "seeds", "n", "clusters", "accuracy", "low", "high", "chance", "p_holm", "verdict"]
    return pd.DataFrame(table, columns=[*columns, *DIFFERENCE])


class Mean(NamedTuple):
    """A mean over so many languages, with its resamples [R]."""

    value: float
    drawn: np.ndarray
    n: int


def mean_over(cells: Iterable[Cell], settings: Settings) -> Mean | None:
    """The mean accuracy over languages; None without any. Translations of the same rows are drawn together, in the clusters of
    the first."""
    cells = list(cells)
    if not cells:
        return None
    cells = [paired(cells[0], cell)[1] if np.array_equal(cells[0].id, cell.id) else cell for cell in cells]
    value = float(np.mean([cell.correct.mean() for cell in cells]))
    return Mean(value, np.mean([resampled(cell, correct_share, settings) for cell in cells], axis=0), len(cells))


def methods(study: Adaptation) -> pd.DataFrame:
    """One row a system: accuracy in the source language and its mean over the others, minus the reference's, and its prices.

    Means are over the languages that both were asked. Holm, by the paired bootstrap, over the systems of a model. Prices are
    means over seeds; `frontier` marks what no other system of the model beats in source accuracy and in that price at once.
    """
    table, families = [], dict[tuple[str, str], list[dict[str, Any]]]()
    for system in study.systems():
        other, records = study.reference(system), study.records(system)
        shared = [code for code in study.asked(system) if other is None or study.cell(other, code) is not None]
        row = named(system) | {"train": system.train, "seeds": len(records), "against": other.variant if other else None}
        compared = {
            part: _against(study, system, other, [code for code in shared if (code == study.source) == (part == "source")])
            for part in PARTS
        }
        for part, found in compared.items():
            if PAIRED in found:
                families.setdefault((system.model, part), []).append(found)
        table.append((row | prices(records), compared))
    for family in families.values():
        judge_differences(family, study.settings, PAIRED)
    rows = [row | {f"{part}_{name}": found.get(name) for part, found in parts.items() for name in MEAN} for row, parts in table]
    columns = [*SYSTEM, "train", "seeds", "against", *(f"{part}_{name}" for part in PARTS for name in MEAN), *SPENT, *PRICES]
    frame = pd.DataFrame(rows, columns=columns)
    for price in PRICES:
        marked = {
            place: on
            for _, some in frame.groupby("model", sort=False)
            for place, on in zip(some.index, frontier(some[price], some["source_accuracy"]), strict=True)
        }
        frame[f"frontier_{price}"] = pd.Series(marked, index=frame.index, dtype=bool)
    return frame


def _against(study: Adaptation, system: System, other: System | None, codes: list[str]) -> dict[str, Any]:
    """A mean over some languages with its interval and, where there is a reference, its difference to the reference's."""
    pairs = [(study.cell(system, code), study.cell(other, code)) for code in codes]
    first = mean_over([cell for cell, _ in pairs if cell is not None], study.settings)
    if first is None:
        return {}
    low, high = interval(first.drawn, study.settings.confidence)
    row = {"accuracy": first.value, "low": low, "high": high, "languages": first.n}
    both = [paired(cell, against) for cell, against in pairs if cell is not None and against is not None]
    own, theirs = (mean_over(cells, study.settings) for cells in zip(*both, strict=True)) if both else (None, None)
    if own is None or theirs is None:
        return row
    drawn, found = own.drawn - theirs.drawn, own.value - theirs.value
    ends = interval(drawn, study.settings.confidence)
    comparisons = sum(one.model == system.model for one in study.systems()) - 1
    row |= {"difference": found, "difference_low": ends[0], "difference_high": ends[1], PAIRED: paired_p(found, drawn)}
    return row | {"detectable": smallest_detectable(drawn, study.settings.confidence, comparisons)}


def prices(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What training took, means over its seeds; seconds_per_thousand: of training examples; rank, alpha: of low-rank updates."""
    if not records:
        return {}
    mean = {name: float(np.mean([record[name] for record in records])) for name in ("model_bytes", "peak_memory_mb")}
    counts = {name: records[0][name] for name in ("examples", "updates", "parameters", "trained_parameters")}
    pace = [1000 * record["seconds"] / record["examples"] for record in records]
    share = counts["trained_parameters"] / counts["parameters"]
    lora = records[0]["recipe"].get("lora", {}) if records[0]["recipe"].get("method") == "lora" else {}
    facts = {"seconds_per_thousand": float(np.mean(pace)), "trained_share": share}
    return counts | mean | facts | {name: lora.get(name) for name in ("rank", "alpha")}


def frontier(price: pd.Series, value: pd.Series) -> list[bool]:
    """For each row whether none other is at least as good and as cheap, and better in one of both. NaN is on no frontier."""
    pairs = list(zip(price, value, strict=True))
    return [
        not (pd.isna(p) or pd.isna(v)) and not any((q <= p and w >= v) and (q < p or w > v) for q, w in pairs) for p, v in pairs
    ]


def training(study: Adaptation) -> pd.DataFrame:
    """What each run took, a row a seed: the machine's facts, which vary."""
    rows = []
    for (system, seed), record in sorted(study.training.items()):
        if system in study.systems():
            rows.append(named(system) | {"train": system.train, "seed": seed} | record | prices([record]))
    columns = [*SYSTEM, "train", "seed", "examples", "updates", "parameters", "trained_parameters", "train_loss"]
    return pd.DataFrame(rows, columns=[*columns, "seconds", "seconds_per_thousand", "peak_memory_mb", "model_bytes", "device"])


def forgetting(study: Adaptation) -> pd.DataFrame:
    """Bits per byte of sentences of the source language before and after tuning, on the same sentences.

    forgotten: after minus before; difference: after, minus after the reference. Holm over the systems of a model.
    """
    rows: list[dict[str, Any]] = []
    asked, settings = asked_of(study.source), study.settings
    for system in study.systems():
        after, before = (study.likelihoods.get((one, asked)) for one in (system, as_it_is(system.model)))
        other = study.reference(system)
        if after is None or before is None:
            continue
        start = measure(before, bits_per_byte, settings)["value"]
        row = named(system) | {"train": system.train, "seeds": len(after.seeds), "before": start}
        row |= measure(after, bits_per_byte, settings)
        lost = difference(after, before, bits_per_byte, settings, 1)
        row |= {f"forgotten{end}": lost[f"difference{end}"] for end in ("", "_low", "_high")}
        against = study.likelihoods.get((other, asked)) if other else None
        if against is not None:
            comparisons = sum(one.model == system.model for one in study.systems()) - 1
            row |= difference(after, against, bits_per_byte, settings, comparisons)
        rows.append(row)
    for model in dict.fromkeys(row["model"] for row in rows):
        judge_differences([row for row in rows if row["model"] == model and PAIRED in row], settings, PAIRED)
    ends = ["forgotten", "forgotten_low", "forgotten_high"]
    columns = [*SYSTEM, "train", "seeds", "n", "before", "value", "low", "high", *ends, *DIFFERENCE]
    return pd.DataFrame(rows, columns=columns)


def unequal(study: Adaptation) -> pd.DataFrame:
    """Whether a method costs another language more than the source language: a difference of differences, paired by cluster.

    difference: the system minus the reference in the language, minus the same in the source language; below 0 the language loses
    more. Only where both tests are translations of each other. Holm over the languages of a system in which the reference is
    above chance (its own test corrected): elsewhere it has nothing that could be lost, and nothing is tested.
    """
    table, reached = [], accuracy(study)
    above = set(reached[reached["verdict"] == ABOVE][[*SYSTEM, "language"]].itertuples(index=False, name=None))
    for system in study.systems():
        other = study.reference(system)
        own, theirs = (study.cell(one, study.source) for one in (system, other))
        rows = []
        for language in study.asked(system):
            cell, against = study.cell(system, language), study.cell(other, language)
            if language == study.source or cell is None or against is None or own is None or theirs is None:
                continue
            if not all(np.array_equal(cell.id, one.id) for one in (against, own, theirs)):
                continue
            row = named(system) | {"language": language, "n": len(cell), "token_premium": study.premium(system.model, language)}
            row |= {"reference_above_chance": (*named(against.system).values(), language) in above}
            rows.append(row | beyond((cell, against), (own, theirs), study.settings, len(study.asked(system)) - 1))
        judge_differences([row for row in rows if row["reference_above_chance"]], study.settings, PAIRED)
        table += rows
    columns = [*SYSTEM, "language", "token_premium", "reference_above_chance", "here", "at_source", *DIFFERENCE, "n"]
    return pd.DataFrame(table, columns=columns)


def premium(study: Adaptation) -> pd.DataFrame:
    """Whether what a system loses in a language beyond the source language goes with the token premium: Spearman's rho over
    languages in which the reference is above chance. Holm over the systems of a model."""
    rows, table = list[dict[str, Any]](), unequal(study)
    for key, group in table[table["reference_above_chance"].astype(bool)].groupby(SYSTEM, sort=False):
        one = spearman(group["token_premium"].to_numpy(), group["difference"].to_numpy(), study.settings)
        rows.append(dict(zip(SYSTEM, key, strict=True)) | one._asdict())
    found = pd.DataFrame(rows, columns=[*SYSTEM, *Correlation._fields])
    return found.assign(p_holm=found.groupby("model", sort=False)["p"].transform(lambda p: holm(p.to_numpy())))


def beyond(here: tuple[Cell, Cell], at_source: tuple[Cell, Cell], settings: Settings, comparisons: int) -> dict[str, Any]:
    """The difference of two systems in one language minus that in another, under the same draws of clusters."""
    here = paired(*here)
    at_source = (paired(here[0], at_source[0])[1], paired(here[0], at_source[1])[1])
    gaps = [[float(cell.correct.mean()) for cell in pair] for pair in (here, at_source)]
    values = [first - second for first, second in gaps]
    resamples = [[resampled(cell, correct_share, settings) for cell in pair] for pair in (here, at_source)]
    drawn = (resamples[0][0] - resamples[0][1]) - (resamples[1][0] - resamples[1][1])
    found = values[0] - values[1]
    low, high = interval(drawn, settings.confidence)
    ends = {"difference": found, "difference_low": low, "difference_high": high}
    tested = {PAIRED: paired_p(found, drawn), "detectable": smallest_detectable(drawn, settings.confidence, comparisons)}
    return {"here": values[0], "at_source": values[1]} | ends | tested
