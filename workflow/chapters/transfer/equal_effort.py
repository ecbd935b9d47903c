"""Transfer between languages: a joint model against models of single languages that were trained as long.

As long in two senses: by examples of the language (what do the other languages' examples add?) and by updates (what is the
same effort worth, spread over languages?). Runs of any variant are taken whose recipes differ in nothing but duration; where
no two are, the row says which run would have to be added.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from carryover.analysis.comparison import compare, judge_differences, score
from carryover.analysis.study import Group, Study
from carryover.planning.paths import NOTHING, System
from chapters.transfer.tables import DIFFERENCE, RUN, facts, frame

EXAMPLES, UPDATES = "examples of the language", "updates"
DURATION = {"epochs", "max_updates"}  # keys of a recipe that say how long, not how


class Pair(NamedTuple):
    """A joint model and a model of one of its languages; examples: of that language."""

    joint: System
    single: System
    joint_examples: float
    single_examples: float
    joint_updates: int
    single_updates: int

    def amounts(self, criterion: str) -> tuple[float, float]:
        """What the two are to be equal in, the joint model's first."""
        if criterion == EXAMPLES:
            return self.joint_examples, self.single_examples
        return self.joint_updates, self.single_updates

    def apart(self, criterion: str) -> float:
        """The relative difference of the two amounts."""
        joint, single = self.amounts(criterion)
        return abs(joint - single) / max(joint, single)


def equal_effort(study: Study) -> pd.DataFrame:
    """Each joint list and language under both criteria: the joint model minus the single one, or what would have to be added."""
    rows = []
    for group in study.groups():
        among = study.joint_systems(group)
        for stands in among:
            for criterion in (EXAMPLES, UPDATES):
                family = []
                for language in study.trained_on(stands.train):
                    pairs = _pairs(study, group, stands.train, language)
                    if pairs:
                        name = study.joint_name(stands, among)
                        family.append({"regime": name, "language": language} | _row(study, pairs, criterion))
                found = [row for row in family if "cells" in row]
                for row in found:
                    joint, single = row.pop("cells")
                    row |= compare(joint, single, study.settings, len(found))
                judge_differences(found, study.settings)
                rows += family
    columns = [
        *(*RUN, "regime", "language", "equal_in", "single_model", "joint_examples", "single_examples"),
        *("joint_updates", "single_updates", "n", "accuracy", "low", "high"),
        *("single_accuracy", "single_low", "single_high", *DIFFERENCE, "missing"),
    ]
    return frame(rows, columns)


def _pairs(study: Study, group: Group, train: str, language: str) -> list[Pair]:
    """Every joint model of the list with every model of the language, where their recipes differ in duration alone."""
    tuned = [system for system in study.systems("full", group) if system.method != NOTHING and study.record(system)]
    tested = [system for system in tuned if study.cell(system, language) is not None]
    pairs = []
    for joint in (system for system in tested if system.train == train):
        for single in (system for system in tested if system.train == language):
            ours, theirs = study.record(joint), study.record(single)
            if _manner(ours) == _manner(theirs):
                share = theirs["rows"] / ours["rows"]  # of the joint model's rows that are this language's
                examples = (ours["examples"] * share, theirs["examples"])
                pairs.append(Pair(joint, single, *examples, ours["updates"], theirs["updates"]))
    return pairs


def _manner(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.get("recipe", {}).items() if name not in DURATION}


def _row(study: Study, pairs: list[Pair], criterion: str) -> dict[str, Any]:
    """The pair of runs that are equally long, those of the primary variant first; or the nearest and what it lacks."""
    primary = study.config["primary_variant"]
    best = min(
        pairs,
        key=lambda pair: (
            pair.apart(criterion) > study.config["equal_within"],
            (pair.joint.variant != primary) + (pair.single.variant != primary),
            pair.apart(criterion),
        ),
    )
    row = {
        **facts(best.joint),
        "equal_in": criterion,
        **{
            "joint_model": f"{best.joint.variant} {best.joint.train}",
            "single_model": f"{best.single.variant} {best.single.train}",
        },
        **{"joint_examples": round(best.joint_examples), "single_examples": round(best.single_examples)},
        **{"joint_updates": best.joint_updates, "single_updates": best.single_updates},
    }
    if best.apart(criterion) > study.config["equal_within"]:
        return row | {"missing": _missing(study, min(pairs, key=lambda pair: pair.apart(criterion)), criterion)}
    cells = [cell for system in (best.joint, best.single) if (cell := study.cell(system, best.single.train)) is not None]
    reached, alone = score(cells[0], study.settings), score(cells[1], study.settings)
    row |= {name: reached[name] for name in ("n", "accuracy", "low", "high")}
    return row | {f"single_{name}": alone[name] for name in ("accuracy", "low", "high")} | {"cells": cells}


def _missing(study: Study, nearest: Pair, criterion: str) -> str:
    """The run to add: the longer one of the nearest pair, ended where the shorter one ends."""
    joint, single = nearest.amounts(criterion)
    longer, shorter, total = (
        (nearest.joint, single / joint, nearest.joint_updates)
        if joint > single
        else (nearest.single, joint / single, nearest.single_updates)
    )
    return f"{longer.variant} {longer.train} with max_updates {math.ceil(total * shorter)}"
