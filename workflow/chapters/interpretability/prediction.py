"""Does anything inside tell what carries over? Measures of each language beside its zero-shot accuracy, and correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carryover.analysis import statistics
from carryover.analysis.comparison import score
from carryover.planning.paths import EvaluationSet, System
from chapters.interpretability.sources import AS_IT_IS, TUNED, Inside, middle
from chapters.interpretability.tables import SUBJECT

OUTSIDE = ("token_premium", "same_script")  # predictors that are no matter of a model's inside
PREMIUM = "token_premium"
KEY = ["model", "state", "language"]


def languages(study: Inside) -> pd.DataFrame:
    """Each language's predictors, in a model as it is and fine-tuned, and the accuracy of the fine-tuned one on test."""
    facts = study.sentences[[*SUBJECT, "language", "tokens", "bits"]]
    source = facts[facts["language"] == study.source][["model", "state", "tokens"]]
    facts = facts.merge(source, on=["model", "state"], suffixes=("", "_source"))
    facts["token_premium"] = facts["tokens"] / facts["tokens_source"]
    facts["same_script"] = [float(study.scripts.get(code) == study.scripts.get(study.source)) for code in facts["language"]]
    entropy = study.attention[study.attention["measure"] == "entropy"].groupby(KEY, sort=False)["value"].mean()
    facts = facts.merge(entropy.rename("entropy").reset_index(), on=KEY, how="left")
    for measure in ("cka", "retrieval"):
        rows = middle(study.representations[study.representations["measure"] == measure])
        facts = facts.merge(rows[[*KEY, "value"]].rename(columns={"value": measure}), on=KEY, how="left")
    reached = pd.DataFrame(
        [
            {"model": system.model, "language": language} | _accuracy(study, system, language)
            for system, language in _asked(study)
        ],
        columns=["model", "language", "accuracy", "low", "high", "n"],
    )
    facts = facts[facts["state"].isin([AS_IT_IS, TUNED]) & (facts["language"] != study.source)]
    every = ["token_premium", "same_script", "bits", "entropy", "cka", "retrieval"]
    return facts.merge(reached, on=["model", "language"])[[*SUBJECT, "language", *every, "accuracy", "low", "high", "n"]]


def _asked(study: Inside) -> list[tuple[System, str]]:
    return [(system, asked.language) for system, asked in study.cells if asked.split == "test"]


def _accuracy(study: Inside, system: System, language: str) -> dict[str, float]:
    cell = study.cells[system, EvaluationSet(study.config["task"], "full", "test", language)]
    return {name: value for name, value in score(cell, study.settings).items() if name in ("accuracy", "low", "high", "n")}


def predictors(study: Inside) -> pd.DataFrame:
    """Spearman's correlation of each predictor with accuracy over languages, and the same where token premium is equal.

    Holm over the predictors of a model and state, for each of the two questions.
    """
    table, rows = languages(study), []
    for (model, state), some in table.groupby(["model", "state"], sort=False):
        family = []
        chosen = [name for name in study.config["predictors"] if state == AS_IT_IS or name not in OUTSIDE]
        for name in chosen:
            x, y, premium = (some[column].to_numpy(dtype=float) for column in (name, "accuracy", PREMIUM))
            found = statistics.spearman(x, y, study.settings)
            family.append({"model": model, "state": state, "predictor": name} | found._asdict())
            if name != PREMIUM:
                beside = statistics.partial_spearman(x, y, premium, study.settings)
                family[-1] |= {"partial": beside.rho, "partial_low": beside.low, "partial_high": beside.high}
                family[-1] |= {"p_partial": beside.p}
            family[-1]["detectable"] = statistics.detectable_correlation(found.n, len(chosen), study.settings.confidence)
        for p in ("p", "p_partial"):
            for row, corrected in zip(family, statistics.holm([row.get(p, np.nan) for row in family]), strict=True):
                row[f"{p}_holm"] = corrected
        rows += family
    columns = ["model", "state", "predictor", "rho", "low", "high", "p", "p_holm", "n", "partial", "partial_low", "partial_high"]
    return pd.DataFrame(rows, columns=[*columns, "p_partial", "p_partial_holm", "detectable"]).astype({"n": "Int64"})
