"""Tables that compare this study with others: the report's per-language table, other public runs, and the literature.

Where the model, the training text or the amount of it differs, a row says so and gives no difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from carryover.analysis import published
from carryover.analysis.comparison import compare, judge, judge_differences, score
from carryover.analysis.predictions import Cell, paired, resampled
from carryover.analysis.study import OWN, ZERO_SHOT, Group, Study
from carryover.metrics import accuracy
from carryover.metrics.bootstrap import interval
from carryover.planning.paths import System
from chapters.transfer.tables import DIFFERENCE, GROUP, PUBLISHED, RUN, SCORE, facts, frame

MEAN = "mean"  # in place of a language: over all languages with a model of their own
IMPROVED = ["improvement_published", "improvement_difference", "improvement_low", "improvement_high", "improvement_comparison"]
OURS = ["regime", "n", "accuracy", "low", "high"]


def per_language(study: Study) -> pd.DataFrame:
    """Models of single languages as the report tabulates them: zero-shot, dev, test and the improvement, ours and theirs.

    The last row of each group is the mean improvement over its languages, which the report states too.
    """
    table = []
    for group in study.groups():
        rows, gains = [], []
        for language in study.languages:
            cell = study.cell(study.stands_for(group, language), language)
            start = study.cell(study.zero_shot(group), language)
            if language != study.source and cell is not None and start is not None:
                rows.append(facts(cell.system, cell) | {"language": language, "cell": cell, "start": start})
        for row in rows:
            gains.append(_fill(study, row, len(rows)))
        judge(rows, study.settings)
        judge_differences(rows, study.settings)
        table += [*rows, _mean(study, group, rows, gains)] if rows else []
    columns = [*RUN, "seeds", "language", "zero_shot", "dev_accuracy", *SCORE, *DIFFERENCE]
    columns += ["published_zero_shot", "published_dev", *PUBLISHED, *IMPROVED]
    return frame(table, columns)


def _fill(study: Study, row: dict[str, Any], comparisons: int) -> np.ndarray:
    """Fills one language's row; returns its improvement in each bootstrap resample."""
    cell, start, language = row.pop("cell"), row.pop("start"), row["language"]
    dev = study.cell(cell.system, language, "dev")
    row |= {"zero_shot": float(start.correct.mean()), "dev_accuracy": float(dev.correct.mean()) if dev else None}
    row |= score(cell, study.settings) | compare(cell, start, study.settings, comparisons)
    theirs = published.per_language(study.published, language)
    spent = (study.record(cell.system).get("rows"), theirs.pop("rows", None))
    row |= published.compare_published(
        row,
        theirs.get("published_test"),
        study.incomparable_with(cell.system),
        spent,
    )
    row |= {name: theirs.get(name) for name in ("published_zero_shot", "published_dev")}
    row |= _improvement(row, theirs.get("published_improvement"), row["comparison"])
    first, second = paired(cell, start)
    return resampled(first, accuracy, study.settings) - resampled(second, accuracy, study.settings)


def _improvement(row: dict[str, Any], reference: float | None, comparison: str) -> dict[str, Any]:
    """The published improvement, and ours to it, where the accuracies behind them can be compared."""
    if reference is None:
        return {}
    found = {"improvement_published": reference, "improvement_comparison": comparison}
    if comparison == published.COMPARABLE:
        names = {"difference": "difference", "low": "difference_low", "high": "difference_high"}
        found |= {f"improvement_{ours}": row[theirs] - reference for ours, theirs in names.items()}
    return found


def _mean(study: Study, group: Group, rows: list[dict[str, Any]], gains: list[np.ndarray]) -> dict[str, Any]:
    low, high = interval(np.mean(gains, axis=0), study.settings.confidence)
    mean = float(np.mean([row["difference"] for row in rows]))
    row = group._asdict() | {"language": MEAN, "difference": mean, "difference_low": low, "difference_high": high}
    theirs = published.mean_improvement(study.published)
    same = {row["language"] for row in rows} == set(theirs.index)
    reasons = [row["comparison"] for row in rows if row["comparison"] not in (published.COMPARABLE, published.NOTHING)]
    comparison = reasons[0] if reasons else published.COMPARABLE if same else f"{published.NOT_COMPARABLE}: other languages"
    return row | _improvement(row, float(theirs.mean()), comparison)


def public_runs(study: Study) -> pd.DataFrame:
    """Every public run of the course: English settings, zero-shot, single languages, and several together."""
    table = []
    for group in study.groups():
        english = study.zero_shot(group)
        for run in published.runs(study.published):
            language, regime, note = run["language"], run["regime"], ""
            if regime == published.SETTING:
                system = _same_setting(study, group, run)
                note = "" if system else "no run of this setting here"
                system, regime = system or english, study.source
            elif regime in (ZERO_SHOT, OWN):
                system = english if regime == ZERO_SHOT else study.stands_for(group, language)
            else:
                system = next((m for m in study.joint_systems(group) if _same(study, m, run["trained_on"])), None)
            ours = _ours(study, system, language) if language in study.languages else {}
            spent = (study.record(system).get("rows") if system else None, run["rows"])
            reason = study.incomparable_with(group) or run["reason"] or note
            reference = published.compare_published(ours, run["accuracy"], reason, spent) if ours else _without(run["accuracy"])
            named = {name: run[name] for name in ("source", "setting", "trained_on", "rows", "language")}
            table.append(group._asdict() | {"regime": regime} | named | ours | reference)
    columns = [*GROUP, "source", "setting", "trained_on", "rows", "language", *OURS, *PUBLISHED]
    return frame(table, columns)


def _same_setting(study: Study, group: Group, run: dict[str, Any]) -> System | None:
    """The English model of this learning rate and batch size, where the study has one."""
    for system in study.systems("full", group):
        recipe = study.record(system).get("recipe", {})
        if system.train == study.source and all(recipe.get(name) == run[name] for name in published.BASELINE):
            return system
    return None


def _same(study: Study, system: System, languages: str) -> bool:
    return set(study.trained_on(system.train)) == set(languages.split())


def _ours(study: Study, system: System | None, language: str) -> dict[str, Any]:
    cell: Cell | None = study.cell(system, language)
    return {name: value for name, value in score(cell, study.settings).items() if name in OURS} if cell else {}


def _without(reference: float) -> dict[str, Any]:
    return {"published": reference, "comparison": f"{published.NOT_COMPARABLE}: no such model in this study"}


def literature(study: Study) -> pd.DataFrame:
    """Well-known models on the same test sets, and our accuracy in the nearest regime. Their models are others throughout."""
    table = []
    for group in study.groups():
        joint = study.joint_systems(group)
        for row in study.published["literature"].to_dict("records"):
            language, setting = row["language"], row["setting"]
            if language not in study.languages:
                continue
            if setting == "translate-train":
                regime, system = OWN, study.stands_for(group, language)
            elif setting == "translate-train-all":
                regime, system = (study.joint_name(joint[-1], joint), joint[-1]) if joint else ("", None)
            else:
                regime, system = ZERO_SHOT, study.zero_shot(group)
            reference = {
                "published": row["accuracy"],
                "comparison": f"{published.NOT_COMPARABLE}: {published.unlike(row['model'])}",
            }
            ours = _ours(study, system, language)
            named = {"published_model": row["model"], "setting": setting, "source": row["source"], "language": language}
            table.append(group._asdict() | {"regime": regime if ours else None} | named | ours | reference)
    return frame(table, [*GROUP, "language", "published_model", "setting", "published", *OURS, "comparison", "source"])
