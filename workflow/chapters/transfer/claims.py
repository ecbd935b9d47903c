"""The tests that decide what was claimed of transfer: each takes one model's tables and returns a verdict.

A claim on direction is decided in any study; one on amounts only where the study can be compared with what was published.
"Near" is within 5 points, "hardly anything is lost" that 90 % of the lead is kept; a language costs many tokens where a word
takes more than 3.5 of them, the published bound.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from carryover.analysis import statistics
from carryover.analysis.claims import (
    CONTRADICTED,
    MOST,
    PERCENT,
    PLAIN,
    SOME,
    SUPPORTED,
    Decision,
    Estimate,
    Results,
    all_of,
    any_of,
    decide,
    group_difference,
    mean_of,
    undecided,
)
from carryover.analysis.published import COMPARABLE
from carryover.analysis.study import OWN, ZERO_SHOT
from carryover.reporting.phrases import rows
from chapters.transfer import estimates
from chapters.transfer.equal_effort import EXAMPLES, UPDATES
from chapters.transfer.estimates import FEW, GOOD, MANY, MODERATE, change, estimate, lead
from chapters.transfer.references import MEAN

NEAR = 0.05  # of accuracy: what is called near, little or nearly as good
NOTHING = 0.01  # of accuracy: what is called no gain
KEPT = 0.9  # share of the lead over chance from which on hardly anything is lost
GROUPS = {"en": "low", "es": "low", "fr": "low"} | dict.fromkeys(("de", "sw", "tr", "vi", "zh"), "medium")
COUNTS = {"train": 392_702, "dev": 2_490, "test": 5_010}
COUNTED = "counted, not sampled"
NOT_ASKED = "no model was tested in another language"
NONE_COSTLY = f"no language takes more than {MANY:g} tokens a word"
NO_JOINT = "no joint model has such languages"
NO_TRANSFER = "no other language is above chance, so there is no transfer to compare"


# English and its settings


def english_accuracy(results: Results) -> Decision:
    """The published English accuracy, where the study can be compared with it."""
    found = rows(results.tables["zero_shot"], language=results.source)
    if not found:
        return undecided(f"no model was fine-tuned on {results.source} and tested in it")
    row = found[0]
    if row["comparison"] != COMPARABLE:
        return undecided(row["comparison"])
    return estimates.as_published([estimate(row, "published_difference", "published_low", "published_high")], results)


def settings_differ_as_published(results: Results) -> Decision:
    """The published differences between settings, next to ours."""
    found = [row for row in rows(results.tables["hyperparameters"], split="test") if pd.notna(row["delta_difference"])]
    if len(found) < 3:
        return undecided(results.incomparable or f"{len(found)} of the three settings can be compared with the published ones")
    ends = ("delta_difference", "delta_low", "delta_high")
    return estimates.as_published([estimate(row, *ends, name=row["variant"]) for row in found], results)


def lower_rate_is_better(results: Results) -> Decision:
    """Every variant that differs from the baseline in a fifth of its learning rate alone."""
    found = estimates.settings(results, "lr", 0.2)
    return decide(
        found, results.confidence, low=0, missing="no variant has a fifth of the baseline's learning rate and else its recipe"
    )


def higher_rate_is_worse(results: Results) -> Decision:
    """Every variant that differs from the baseline in twice its learning rate alone."""
    found = estimates.settings(results, "lr", 2)
    return decide(
        found, results.confidence, high=0, missing="no variant has twice the baseline's learning rate and else its recipe"
    )


def larger_batch_is_better(results: Results) -> Decision:
    """Every variant that differs from the baseline in a batch of twice its size alone."""
    found = estimates.settings(results, "batch_size", 2)
    return decide(found, results.confidence, low=0, missing="no variant has twice the baseline's batch and else its recipe")


def untuned_model_guesses(results: Results) -> Decision:
    """The pretrained model as it is, in the source language: near chance."""
    found = rows(results.tables["transfer_matrix"], method="none", language=results.source)
    missing = "the pretrained model was not asked as it is"
    return decide([lead(row)._replace(p=None) for row in found], results.confidence, low=-NEAR, high=NEAR, missing=missing)


def row_counts(results: Results) -> Decision:
    """The rows of the source language, split by split."""
    if results.incomparable:
        return undecided(results.incomparable)
    found = {row["split"]: int(row["rows"]) for row in rows(results.tables["data"], language=results.source)}
    if set(found) != set(COUNTS):
        return undecided(f"this study has no {' or '.join(sorted(set(COUNTS) - set(found)))} text")
    told = ", ".join(f"{split} {count}" for split, count in found.items())
    return Decision(SUPPORTED if found == COUNTS else CONTRADICTED, told, sum(found.values()), COUNTED)


# Zero-shot transfer


def some_languages_carry_over(results: Results) -> Decision:
    """At least one other language is above chance."""
    return decide([lead(row) for row in estimates.others(results)], results.confidence, low=0, of=SOME, missing=NOT_ASKED)


def most_languages_stay_near_chance(results: Results) -> Decision:
    """More than half of the other languages are within 5 points of chance."""
    found = [lead(row)._replace(p=None) for row in estimates.others(results)]
    return decide(found, results.confidence, low=-NEAR, high=NEAR, of=MOST, missing=NOT_ASKED)


def latin_script_carries_over(results: Results) -> Decision:
    """Mean accuracy of the languages in Latin script against that of the others."""
    found = {row["language"]: row["accuracy"] for row in estimates.others(results)}
    latin, other = estimates.by_script(found, results)
    if len(latin) < 3 or len(other) < 3:
        return undecided("needs at least three languages in Latin script and three in others")
    if not estimates.any_above(results):
        return undecided(NO_TRANSFER)
    difference = group_difference("Latin-other", list(latin.values()), list(other.values()), results.settings)
    return decide([difference], results.confidence, low=0)


def categories_hold(results: Results) -> Decision:
    """Every language is in the range of accuracies that the report puts it in."""
    if reason := estimates.not_comparable(results):
        return undecided(reason)
    margins = []
    for row in estimates.others(results):
        good = row["language"] in ("es", "fr", "de")
        margins += estimates.margins(estimate(row, "accuracy", "low", "high"), *((GOOD, None) if good else (MODERATE, GOOD)))
    return decide(margins, results.confidence, low=0)


def moderate_means_above_chance(results: Results) -> Decision:
    """Every language between 30 and 40 % is above chance."""
    found = [lead(row) for row in estimates.others(results) if MODERATE <= row["accuracy"] < GOOD]
    return decide(found, results.confidence, low=0, missing="no language lies between 30 and 40 %")


def spanish_and_french_are_best(results: Results) -> Decision:
    """Spanish and French against every other language than the source."""
    if not estimates.any_above(results):
        return undecided(NO_TRANSFER)
    return estimates.ahead(estimates.accuracies(results), ("es", "fr"), results)


def arabic_and_greek_are_worst(results: Results) -> Decision:
    """Every other language against Arabic and Greek."""
    if not estimates.any_above(results):
        return undecided(NO_TRANSFER)
    return estimates.ahead(estimates.accuracies(results), ("ar", "el"), results, behind=True)


def most_of_the_lead_is_kept(results: Results) -> Decision:
    """Every language keeps 90 % of the source language's lead over chance."""
    found = [row for row in rows(results.tables["retention"], regime=ZERO_SHOT) if row["language"] != results.source]
    kept = [estimate(row, "share", "share_low", "share_high") for row in found if pd.notna(row["share"])]
    if found and not kept:
        return undecided(found[0]["refused"])
    return decide(kept, results.confidence, low=KEPT, unit=PERCENT, missing=NOT_ASKED)


# Fertility and tiers


def fertility_is_as_published(results: Results) -> Decision:
    """Tokens per word of training text, to the two decimals that were published."""
    found = [row for row in rows(results.tables["fertility"], text="train") if pd.notna(row["published"])]
    same = [row for row in found if row["comparison"] == COMPARABLE]
    if not same:
        return undecided(found[0]["comparison"] if found else "no training text was counted")
    off = [row for row in same if abs(row["published_difference"]) > 0.0051]
    told = "; ".join(f"{row['language']} {row['tokens_per_word']:.2f} against {row['published']:.2f}" for row in off or same)
    why = f"{COUNTED}: {len(same) - len(off)} of {len(same)} languages agree"
    return Decision(CONTRADICTED if off else SUPPORTED, told, int(min(row["rows"] for row in same)), why)


def fertility_groups_hold(results: Results) -> Decision:
    """Every language is in the group of fertility that the report puts it in, by the bounds that the report states."""
    found = rows(results.tables["fertility"], text="train")
    if not any(row["comparison"] == COMPARABLE for row in found):
        return undecided(found[0]["comparison"] if found else "no training text was counted")
    bounds = {"low": (None, FEW), "medium": (FEW, MANY), "high": (MANY, None)}
    margins = []
    for row in found:
        margins += estimates.margins(estimates.per_word(row), *bounds[GROUPS.get(row["language"], "high")])
    return decide(margins, results.confidence, low=0, unit=PLAIN)


def fertility_goes_with_accuracy(results: Results) -> Decision:
    """Rank correlation of tokens per word and zero-shot accuracy over languages: negative."""
    if not estimates.any_above(results):
        return undecided(NO_TRANSFER)
    return estimates.falls(results, ZERO_SHOT, "accuracy")


def fertility_goes_with_gain(results: Results) -> Decision:
    """Rank correlation of tokens per word and the gain of a language's own model: negative."""
    return estimates.falls(results, OWN, "gain")


def first_tier_holds(results: Results) -> Decision:
    """French, Spanish and German: fewer than 2.5 tokens a word, and more than 40 %."""
    return estimates.tiers(results, ("fr", "es", "de"), lambda words, accuracy: all_of([words(None, FEW), accuracy(GOOD, None)]))


def second_tier_holds(results: Results) -> Decision:
    """Russian, Bulgarian and Turkish: 2.5 to 3.5 tokens a word, or 30 to 40 %."""
    return estimates.tiers(
        results, ("ru", "bg", "tr"), lambda words, accuracy: any_of([words(FEW, MANY), accuracy(MODERATE, GOOD)])
    )


def costly_languages_are_poor(results: Results) -> Decision:
    """Every language of more than 3.5 tokens a word is below 30 %."""
    if reason := estimates.not_comparable(results):
        return undecided(reason)
    many = estimates.costly(results)
    found = [estimate(row, "accuracy", "low", "high") for row in estimates.others(results) if row["language"] in many]
    return decide(found, results.confidence, high=MODERATE, unit=PERCENT, missing=NONE_COSTLY)


# Models of single languages


def zero_shot_predicts_own_model(results: Results) -> Decision:
    """Rank correlation, over languages, of zero-shot accuracy and that of the language's own model: positive."""
    found = estimates.own(results)
    x, y = ([row[name] for row in found.values()] for name in ("zero_shot", "accuracy"))
    rho = statistics.spearman(np.array(x), np.array(y), results.settings)
    if pd.isna(rho.rho):
        return undecided(f"{len(found)} languages have a model of their own; a rank correlation needs four")
    return decide([Estimate("rho", rho.rho, rho.low, rho.high, rho.n, rho.p)], results.confidence, low=0, unit=PLAIN)


def costly_languages_gain_little(results: Results) -> Decision:
    """Every language of more than 3.5 tokens a word gains less than 5 points by a model of its own."""
    many = estimates.costly(results)
    found = [change(row)._replace(p=None) for code, row in estimates.own(results).items() if code in many]
    missing = f"no language of more than {MANY:g} tokens a word has a model of its own"
    return decide(found, results.confidence, high=NEAR, missing=missing)


def own_models_gain(results: Results) -> Decision:
    """The mean gain over zero-shot of all languages with a model of their own."""
    found, own = rows(results.tables["per_language"], language=MEAN), estimates.own(results)
    if not found:
        return undecided("no language other than the source has a model of its own")
    n = int(min(row["n"] for row in own.values()))
    mean = Estimate(MEAN, found[0]["difference"], found[0]["difference_low"], found[0]["difference_high"], n)
    return decide([mean], results.confidence, low=0)


def latin_script_gains_most(results: Results) -> Decision:
    """The gain of every language in Latin script against that of every other language."""
    gains = {code: change(row) for code, row in estimates.own(results).items()}
    latin, _ = estimates.by_script(gains, results)
    return estimates.ahead(gains, tuple(latin), results)


def french_gains_most(results: Results) -> Decision:
    """The gain of French against that of every other language."""
    return estimates.ahead({code: change(row) for code, row in estimates.own(results).items()}, ("fr",), results)


def bulgarian_loses(results: Results) -> Decision:
    """Bulgarian's own model against zero-shot."""
    own = estimates.own(results)
    return decide([change(own["bg"])], results.confidence, high=0) if "bg" in own else undecided("Bulgarian has no own model")


# Joint models


def joint_model_gains_nothing(results: Results) -> Decision:
    """The mean gain of each joint model over zero-shot, over the languages that it has seen: within a point of none."""
    means = []
    for regime in estimates.joint(results):
        found = rows(results.tables["differences"], regime=regime, other=ZERO_SHOT, seen=True)
        changes = [change(row) for row in found if row["language"] != results.source]
        means += [mean_of(changes, regime)] if changes else []
    return decide(means, results.confidence, low=-NOTHING, high=NOTHING, missing=NO_JOINT)


def own_models_beat_the_joint_model(results: Results) -> Decision:
    """Each joint model against the languages' own models, as they were trained."""
    found = [
        row
        for regime in estimates.joint(results)
        for row in rows(results.tables["differences"], regime=regime, other=OWN, seen=True)
    ]
    missing = "no language has both a model of its own and a joint one"
    return decide([change(row) for row in found], results.confidence, high=0, missing=missing)


def many_models_cost_more(results: Results) -> Decision:
    """The bytes of single models and of one joint model for the same languages."""
    table = results.tables["one_or_many"]
    if table.empty:
        return undecided("no languages have both models of their own and a joint one")
    sizes = [
        [rows(table, regime=regime, approach=approach)[0]["model_bytes"] for approach in ("many models", "one model")]
        for regime in dict.fromkeys(table["regime"])
    ]
    more = all(many > one for many, one in sizes)
    told = "; ".join(f"{many / one:.1f} times the bytes" for many, one in sizes)
    return Decision(SUPPORTED if more else CONTRADICTED, told, len(sizes), COUNTED)


def joint_model_helps_costly_languages(results: Results) -> Decision:
    """With as many examples of the language: a joint model ahead of the single one, where a word takes more than 3.5 tokens."""
    return estimates.at_equal_effort(results, EXAMPLES, estimates.costly(results), low=0)


def joint_model_costs_strong_languages(results: Results) -> Decision:
    """With as many updates: a joint model behind the single one, in the languages that are above chance zero-shot."""
    return estimates.at_equal_effort(results, UPDATES, estimates.strong(results), high=0)


def joint_model_is_nearly_as_good(results: Results) -> Decision:
    """As trained: a joint model less than 5 points behind the single one, in the languages that are above chance zero-shot."""
    strong, table = estimates.strong(results), results.tables["differences"]
    found = []
    for regime in estimates.joint(results):
        own = rows(table, regime=regime, other=OWN, seen=True)
        source = [row for row in rows(table, regime=regime, other=ZERO_SHOT, seen=True) if row["language"] == results.source]
        found += [change(row)._replace(p=None) for row in [*source, *own] if row["language"] in strong]
    return decide(found, results.confidence, low=-NEAR, missing=NO_JOINT)


def more_languages_cost_accuracy(results: Results) -> Decision:
    """A joint model of more languages against one of fewer, in the languages that both have seen."""
    joint = estimates.joint(results)
    if len(joint) < 2:
        return undecided("needs two joint models, one of more languages than the other")
    regimes = results.tables["regimes"]
    seen = {(row["regime"], row["language"]) for row in rows(regimes, seen=True)}
    found = [row for row in rows(results.tables["differences"], seen=True) if row["regime"] in joint and row["other"] in joint]
    return decide([change(row) for row in found if (row["other"], row["language"]) in seen], results.confidence, high=0)
