"""The tests that decide what was claimed of a model's inside: each takes one model's tables and returns a verdict.

The published report looked at one sentence of three languages. Its early and late layers are a third of the blocks at either end
(0 to 3 and 8 to 11 of twelve); its similarity is the raw cosine, which decides nothing here, since it is mostly what all vectors
share: alignment is unbiased CKA. What is said of a pretrained model is decided in the model as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from carryover.analysis import statistics
from carryover.analysis.claims import PLAIN, Decision, Estimate, Results, decide, difference_of, mean_of
from chapters.interpretability.sources import AS_IT_IS, TUNED

NOT_TESTED = "no model was fine-tuned on the source language and tested in at least four others with accuracies that differ"
NOT_READ = "these languages were not read by this model as it is"
FIRST, THIRD = ("es", "de"), "el"  # the report's aligned languages, and the one that is not


def _third(results: Results, late: bool) -> dict[str, Estimate]:
    """CKA by language, a mean over the first or last third of the hidden states with the widest interval that it can have."""
    table = results.tables["similarity"]
    table = table[(table["state"] == AS_IT_IS) & (table["measure"] == "cka")]
    deepest = table["layer"].max()
    some = table[table["layer"] >= 2 * deepest / 3] if late else table[table["layer"] <= deepest / 3]
    return _means(some)


def _means(table: pd.DataFrame) -> dict[str, Estimate]:
    """The mean of a language's rows, with the widest interval that it can have."""
    by_language: dict[str, list[Estimate]] = {}
    for row in table.to_dict("records"):
        by_language.setdefault(row["language"], []).append(_estimate(row, row["language"]))
    return {code: mean_of(estimates, code) for code, estimates in by_language.items()}


def _estimate(row: Mapping[str, float], name: str) -> Estimate:
    return Estimate(name, row["value"], row["low"], row["high"], int(row["n"]))


def _gains(results: Results) -> dict[str, Estimate]:
    """Late minus early CKA of each language; as if the two were independent, so too wide an interval."""
    early, late = _third(results, late=False), _third(results, late=True)
    return {code: difference_of(late[code], early[code])._replace(name=code) for code in early}


def _against_third(found: Mapping[str, Estimate]) -> list[Estimate]:
    """The aligned languages minus the third, where all are there."""
    if THIRD not in found:
        return []
    return [difference_of(found[code], found[THIRD]) for code in FIRST if code in found]


def _with_accuracy(results: Results, name: str, x: Mapping[str, Estimate]) -> list[Estimate]:
    """The rank correlation of a quantity with the fine-tuned model's accuracy over languages."""
    table = results.tables["languages"]
    reached = table[table["state"] == TUNED].set_index("language")["accuracy"]
    shared = [code for code in x if code in reached.index]
    values = np.array([x[code].value for code in shared])
    found = statistics.spearman(values, reached.loc[shared].to_numpy(dtype=float), results.settings)
    return [] if np.isnan(found.rho) else [Estimate(name, found.rho, found.low, found.high, found.n, found.p)]


def spanish_and_german_attend_more_narrowly(results: Results) -> Decision:
    """Attention entropy, a mean over blocks, is lower in Spanish and in German than in Greek."""
    table = results.tables["attention"]
    table = table[(table["state"] == AS_IT_IS) & (table["measure"] == "entropy")]
    return decide(_against_third(_means(table)), results.confidence, high=0, unit=PLAIN, missing=NOT_READ)


def spanish_and_german_start_aligned(results: Results) -> Decision:
    """Early CKA is higher in Spanish and in German than in Greek."""
    return decide(_against_third(_third(results, late=False)), results.confidence, low=0, unit=PLAIN, missing=NOT_READ)


def early_alignment_goes_with_accuracy(results: Results) -> Decision:
    """The correlation of early CKA with zero-shot accuracy is positive."""
    found = _with_accuracy(results, "early CKA", _third(results, late=False))
    return decide(found, results.confidence, low=0, unit=PLAIN, missing=NOT_TESTED)


def languages_converge(results: Results) -> Decision:
    """Every language's late states are more like the source language's than its early ones."""
    return decide(list(_gains(results).values()), results.confidence, low=0, unit=PLAIN, missing=NOT_READ)


def greek_converges_most(results: Results) -> Decision:
    """The gain from early to late states is smaller in Spanish and in German than in Greek."""
    return decide(_against_third(_gains(results)), results.confidence, high=0, unit=PLAIN, missing=NOT_READ)


def convergence_goes_against_accuracy(results: Results) -> Decision:
    """The correlation of the gain from early to late states with zero-shot accuracy is negative."""
    found = _with_accuracy(results, "gain", _gains(results))
    return decide(found, results.confidence, high=0, unit=PLAIN, missing=NOT_TESTED)
