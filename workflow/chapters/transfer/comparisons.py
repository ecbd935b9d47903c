"""Tables that set one model or one quantity against another: settings, regimes, controls, calibration, correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from carryover.analysis import published, statistics
from carryover.analysis.comparison import calibrate, compare, judge, judge_differences, score
from carryover.analysis.predictions import Cell
from carryover.analysis.study import OWN, ZERO_SHOT, Group, Study
from carryover.planning.paths import NOTHING, System
from chapters.transfer.sources import TransferStudy
from chapters.transfer.tables import DIFFERENCE, GROUP, PUBLISHED, RUN, SCORE, facts, frame

RECIPE = ["lr", "batch_size", "epochs", "weight_decay", "warmup", "schedule", "dropout", "precision"]
SPENT = ["rows", "examples", "updates"]
PREDICTORS = ("token_premium", "tokens_per_word", "tokens_per_character", "bytes_per_token")
EXPOSURE = "bits_per_sentence"
DELTA_ENDS = (("difference", ""), ("low", "_low"), ("high", "_high"))
MAJORITY, HYPOTHESIS, SHUFFLED = "majority", "hypothesis only", "premises shuffled"


def hyperparameters(study: Study) -> pd.DataFrame:
    """The source language's system of every variant and method: dev and test accuracy, training loss, and its differences to
    that of the primary variant."""
    rows, source = [], study.source
    for model in study.models():
        trained = [system for system in study.systems() if system.model == model and system.method != NOTHING]
        systems = [system for system in trained if system.train == source and study.cell(system, source)]
        primary = study.config["primary_variant"]
        baseline = next((system for system in systems if system.variant == primary), None)
        for split in ("test", "dev"):
            family = [_setting(study, system, split, baseline, len(systems) - 1) for system in systems]
            family = [row for row in family if row]
            judge(family, study.settings)
            judge_differences([row for row in family if "p_mcnemar" in row], study.settings)
            rows += family
    columns = [
        *(*RUN, "split", "seeds", *RECIPE, *SPENT, "train_loss", *SCORE, *DIFFERENCE),
        *("published_train_loss", *PUBLISHED, "published_baseline", *(f"delta_{name}" for name, _ in DELTA_ENDS)),
    ]
    return frame(rows, columns)


def _setting(study: Study, system: System, split: str, baseline: System | None, comparisons: int) -> dict[str, Any]:
    """One row; `published_baseline` is the report's difference between this setting and its own baseline."""
    if (cell := study.cell(system, study.source, split)) is None:
        return {}
    record = study.record(system)
    recipe = record.get("recipe", {})
    row = facts(system, cell) | {"split": split} | {name: recipe.get(name) for name in RECIPE}
    row |= {name: record.get(name) for name in (*SPENT, "train_loss")} | score(cell, study.settings)
    against = study.cell(baseline, study.source, split)
    if against is not None and system != baseline:
        row |= compare(cell, against, study.settings, comparisons)
    theirs = published.for_recipe(study.published, recipe)
    column = f"{split}_accuracy"
    reason = study.incomparable_with(system)
    row |= published.compare_published(row, theirs.get(column), reason, (record.get("rows"), theirs.get("train_rows")))
    if theirs:
        row["published_train_loss"] = theirs["train_loss"]
        base = published.for_recipe(study.published, recipe | published.BASELINE)
        ours = study.record(baseline).get("recipe", {}) if baseline else {}
        same = all(ours.get(name) == value for name, value in published.BASELINE.items())
        if theirs["setting"] != base["setting"] and same:
            row |= _delta(row, theirs[column] - base[column])
    return row


def _delta(row: dict[str, Any], theirs: float) -> dict[str, Any]:
    """The published difference to its baseline, and ours to it, where the accuracies behind both can be compared."""
    reference = {"published_baseline": theirs}
    if row["comparison"] == published.COMPARABLE and "difference" in row:
        reference |= {f"delta_{name}": row[f"difference{end}"] - theirs for name, end in DELTA_ENDS}
    return reference


def differences(study: Study) -> pd.DataFrame:
    """Every pair of regimes on every language, the first minus the second, with the examples and updates of both.

    Holm over the languages of a pair; a joint model against a model of one language shows transfer between languages,
    positive or negative, read with what each has seen.
    """
    families: dict[tuple[Group, str, str], list[tuple[str, Cell, Cell]]] = {}
    for group in study.groups():
        for language in study.languages:
            reached = [(name, study.cell(system, language)) for name, system in study.regimes(group, language)]
            present = [(name, cell) for name, cell in reached if cell is not None]
            for place, (other, second) in enumerate(present):
                for regime, first in present[place + 1 :]:
                    families.setdefault((group, regime, other), []).append((language, first, second))
    rows = []
    for (_, regime, other), pairs in families.items():
        family = []
        for language, first, second in pairs:
            ours, theirs = study.record(first.system), study.record(second.system)
            row = facts(first.system, first) | {"regime": regime, "other": other, "other_model": second.system.name}
            row |= {"language": language, "seen": language in study.trained_on(first.system.train), "n": len(first)}
            row |= {name: ours.get(name) for name in SPENT} | {f"other_{name}": theirs.get(name) for name in SPENT}
            family.append(row | compare(first, second, study.settings, len(pairs)))
        judge_differences(family, study.settings)
        rows += family
    spent = ["other_examples", "other_updates"]
    columns = [*RUN, "regime", "other", "other_model", "language", "seen", "n", *DIFFERENCE, "examples", "updates", *spent]
    return frame(rows, columns)


def controls(study: Study) -> pd.DataFrame:
    """What an accuracy is worth: the majority class, the hypothesis alone, and the same model with others' premises.

    `difference` is the full model minus the control, paired by cluster; Holm over the languages of a control.
    """
    families: dict[tuple[System, str], list[dict[str, Any]]] = {}
    settings = study.settings
    for system in study.systems():
        group = study.group_of(system)
        if system.method == NOTHING or system != study.stands_for(group, system.train):
            continue
        cells = {language: study.cell(system, language) for language in study.languages}
        tested = {language: cell for language, cell in cells.items() if cell is not None}
        for language, full in tested.items():
            start = facts(system, full) | {"language": language, "full_accuracy": float(full.correct.mean())}
            families.setdefault((system, MAJORITY), []).append(start | _majority(full))
            blind = study.stands_for(group, system.train, "hypothesis")
            for control, other, view in ((HYPOTHESIS, blind, "hypothesis"), (SHUFFLED, system, "shuffled")):
                if other and (cell := study.cell(other, language, view=view)) is not None:
                    row = start | {"control_model": other.name} | score(cell, settings)
                    families.setdefault((system, control), []).append(row | compare(full, cell, settings, len(tested)))
    for (_, control), rows in families.items():
        for row in rows:
            row["control"] = control
        if control != MAJORITY:
            judge(rows, settings)
            judge_differences(rows, settings)
    columns = [*RUN, "seeds", "language", "control", "control_model", *SCORE, "full_accuracy", *DIFFERENCE]
    return frame((row for rows in families.values() for row in rows), columns)


def _majority(cell: Cell) -> dict[str, Any]:
    """The accuracy of always giving the commonest label, known without error for this test."""
    commonest = cell.label(np.bincount(cell.target).argmax())
    return {"n": len(cell), "clusters": cell.clusters, "accuracy": cell.chance, "constant": commonest}


def confusion(study: Study) -> pd.DataFrame:
    """Gold label by predicted label, over all seeds, for the models that stand for a regime."""
    rows = []
    for system, language, cell in _regime_cells(study):
        for gold, gold_name in enumerate(cell.labels):
            of_gold = cell.predicted[:, cell.target == gold]
            for predicted, predicted_name in enumerate(cell.labels):
                count = int((of_gold == predicted).sum())
                share = count / of_gold.size if of_gold.size else None
                row = facts(system, cell) | {"language": language, "gold": gold_name, "predicted": predicted_name}
                rows.append(row | {"count": count, "share": share})
    return frame(rows, [*RUN, "seeds", "language", "gold", "predicted", "count", "share"])


def calibration(study: Study) -> pd.DataFrame:
    """Expected calibration error of the models that stand for a regime, before and after a temperature fitted on dev."""
    rows = []
    for system, language, cell in _regime_cells(study):
        fitted = calibrate(cell, study.cell(system, language, "dev"), study.settings)
        rows.append(facts(system, cell) | {"language": language} | fitted)
    columns = [
        *(*RUN, "seed", "language", "n", "ece", "ece_low", "ece_high", "nll", "temperature"),
        *("ece_tempered", "ece_tempered_low", "ece_tempered_high", "nll_tempered"),
    ]
    return frame(rows, columns)


def _regime_cells(study: Study) -> list[tuple[System, str, Cell]]:
    found = {}
    for group in study.groups():
        for language in study.languages:
            for _, system in study.regimes(group, language):
                if (cell := study.cell(system, language)) is not None:
                    found[system, language] = cell
    return [(system, language, cell) for (system, language), cell in found.items()]


def correlation(study: TransferStudy) -> pd.DataFrame:
    """How each measure of a language goes with accuracy over the languages other than the source, regime by regime.

    Also with what fine-tuning gains over zero-shot. Measures are those of the model's own tokeniser on the dev text, which is
    parallel and which every language has, and, where the study asked for it, the bits that the model as it is needs for the same
    sentences. Holm over the measures of a regime. `published`: the same from the report's zero-shot and fertility.
    """
    settings = study.settings
    rows = []
    for group in study.groups():
        measures = study.fertility_of(group.model, "dev").set_index("language")
        tokenizer = study.tokenizer_of(group.model)
        known = {name: measures[name].to_dict() for name in PREDICTORS}
        if exposed := study.exposure_of(group.model):
            known[EXPOSURE] = exposed
        for (regime, outcome), reached in _outcomes(study, group).items():
            family = []
            for predictor, of_language in known.items():
                x = [of_language.get(language, np.nan) for language in reached]
                found = statistics.spearman(np.array(x, dtype=float), np.array(list(reached.values())), settings)
                row = group._asdict() | {"tokenizer": tokenizer, "regime": regime, "outcome": outcome, "predictor": predictor}
                if (regime, outcome, predictor) == (ZERO_SHOT, "accuracy", "tokens_per_word"):
                    row["published"] = _published_correlation(study)
                family.append(row | found._asdict() | {"languages": " ".join(reached)})
            for row, p in zip(family, statistics.holm([row["p"] for row in family]), strict=True):
                row["p_holm"] = p
            rows += family
    columns = [
        *(*GROUP, "tokenizer", "regime", "outcome", "predictor", "rho", "low", "high", "p", "p_holm", "n"),
        *("published", "languages"),
    ]
    return frame(rows, columns)


def _outcomes(study: Study, group: Group) -> dict[tuple[str, str], dict[str, float]]:
    """Accuracy, and gain over zero-shot, by regime and language."""
    outcomes: dict[tuple[str, str], dict[str, float]] = {}
    for language in study.languages:
        if language == study.source:
            continue
        reached = {regime: study.cell(system, language) for regime, system in study.regimes(group, language)}
        start = reached.get(ZERO_SHOT)
        for regime, cell in reached.items():
            if cell is None:
                continue
            accuracy = float(cell.correct.mean())
            outcomes.setdefault((regime, "accuracy"), {})[language] = accuracy
            if regime != ZERO_SHOT and start is not None:
                outcomes.setdefault((regime, "gain"), {})[language] = accuracy - float(start.correct.mean())
    order = [ZERO_SHOT, OWN]
    return dict(sorted(outcomes.items(), key=lambda item: (order.index(item[0][0]) if item[0][0] in order else 2, item[0])))


def _published_correlation(study: Study) -> float:
    """Spearman's rho of the report's fertility and zero-shot accuracy over its languages other than English, its source."""
    zero_shot, fertility = study.published["zero_shot"], study.published["fertility"]
    zero_shot = zero_shot[(zero_shot["source"] == published.REPORT) & (zero_shot["model"] == published.MODEL)]
    fertility = fertility[fertility["source"] == published.REPORT]
    columns = [zero_shot.set_index("language")["test_accuracy"], fertility.set_index("language")["tokens_per_word"]]
    both = pd.concat(columns, axis=1).dropna().drop(index="en")
    return float(both.corr(method="spearman").iloc[0, 1])
