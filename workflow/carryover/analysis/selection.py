"""Which languages to train next: a proposal from dev accuracy and fertility, never from test.

`carryover` (the default): languages in which the system of the source language is above chance on dev after Holm's correction,
ordered by token premium, the cheapest first. `report-tiers`: the published report's rule. Both may select nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from carryover.analysis import statistics
from carryover.analysis.comparison import score
from carryover.analysis.predictions import Cells
from carryover.metrics.bootstrap import Settings


@dataclass(frozen=True)
class Thresholds:
    """alpha: level of the test against chance; most, fewest: how many languages; premium: the highest token premium taken
    by `carryover`; the rest are `report-tiers`' bounds on tokens per word and accuracy."""

    alpha: float
    most: int
    fewest: int
    premium: float
    low_fertility: float
    high_fertility: float
    good_accuracy: float
    moderate_accuracy: float


def measure_candidates(cells: Cells, fertility: pd.DataFrame, source: str, settings: Settings) -> pd.DataFrame:
    """A row a language: dev_accuracy, low, high, chance, p (above chance), p_holm (over all languages but the source),
    tokens_per_word and token_premium; None where one is not known.

    cells: the dev answers of one system, trained on the source language; fertility: the table of that stage. Fertility of
    training text is the published measure, dev text stands in where there is none; the premium is always of dev text.
    """
    rows = []
    for (_, asked), cell in cells.items():
        scored = score(cell, settings)
        kept = {name: scored[name] for name in ("low", "high", "chance")}
        rows.append({"language": asked.language, "dev_accuracy": scored["accuracy"], **kept, "p": scored["p_chance"]})
    table = pd.DataFrame(rows)
    others = table["language"] != source
    table.loc[others, "p_holm"] = statistics.holm(table.loc[others, "p"].to_numpy())
    by_text = {text: fertility[fertility["text"] == text].set_index("language") for text in ("train", "dev")}
    words = by_text["train"]["tokens_per_word"].combine_first(by_text["dev"]["tokens_per_word"])
    table["tokens_per_word"] = table["language"].map(words)
    table["token_premium"] = table["language"].map(by_text["dev"]["token_premium"])
    return table.astype(object).where(table.notna(), None)


def propose(
    candidates: pd.DataFrame, strategy: str, thresholds: Thresholds, trainable: Sequence[str], source: str
) -> list[dict[str, Any]]:
    """One entry a language, in the order of preference, with its tier, whether it is selected, and why.

    candidates: as `measure_candidates` returns them; the source language is none. trainable: the languages with training
    text; others can only be evaluated.
    """
    tiers = {"carryover": _by_chance, "report-tiers": _by_report}[strategy]
    entries = []
    for row in candidates[candidates["language"] != source].to_dict("records"):
        tier, reason = tiers(row, thresholds)
        if row["language"] not in trainable:
            tier, reason = 3, f"{reason}; no training text in this source, so it is only evaluated"
        entries.append({**row, "tier": tier, "reason": reason})
    order = {"carryover": "token_premium", "report-tiers": "tokens_per_word"}[strategy]
    entries.sort(key=lambda entry: (entry["tier"], math.inf if entry[order] is None else entry[order], entry["language"]))
    chosen = [entry["language"] for entry in entries if entry["tier"] < 3][: thresholds.most]
    too_few = len(chosen) < thresholds.fewest
    for entry in entries:
        entry["selected"] = entry["language"] in chosen and not too_few
        if entry["tier"] < 3 and entry["language"] not in chosen:
            entry["reason"] += f"; {thresholds.most} others come before it"
        elif entry["tier"] < 3 and too_few:
            entry["reason"] += f"; but only {len(chosen)} qualify, fewer than {thresholds.fewest}"
    return entries


def _by_chance(row: dict[str, Any], thresholds: Thresholds) -> tuple[int, str]:
    shown = f"dev accuracy {row['dev_accuracy']:.3f}, p {row['p_holm']:.2g} after Holm"
    if not row["p_holm"] < thresholds.alpha or row["dev_accuracy"] <= row["chance"]:
        return 3, f"no evidence of transfer above chance ({shown})"
    if row["token_premium"] is None:
        return 3, f"above chance ({shown}), but dev text is not parallel, so there is no token premium"
    if row["token_premium"] > thresholds.premium:
        return 3, f"above chance ({shown}), but token premium {row['token_premium']:.2f} is over {thresholds.premium:g}"
    return 1, f"above chance ({shown}), token premium {row['token_premium']:.2f}"


def _by_report(row: dict[str, Any], thresholds: Thresholds) -> tuple[int, str]:
    words, accuracy = row["tokens_per_word"], row["dev_accuracy"]
    shown = f"{words:.2f} tokens per word, dev accuracy {accuracy:.3f}"
    if words < thresholds.low_fertility and accuracy > thresholds.good_accuracy:
        return 1, f"tier 1: low fertility and good transfer ({shown})"
    moderate = thresholds.moderate_accuracy <= accuracy <= thresholds.good_accuracy
    if thresholds.low_fertility <= words <= thresholds.high_fertility or moderate:
        return 2, f"tier 2: medium fertility or moderate transfer ({shown})"
    return 3, f"tier 3: in no other tier ({shown})"


def adopting_overlay(selected: Sequence[str], runs: list[dict[str, Any]], variant: str, source: str) -> str:
    """The YAML overlay that trains the selected languages: each alone, and one joint model of them with the source language.

    runs: the study's own list, of which the source language's stay; lists replace lists in an overlay. The new runs have the
    seeds of that language's runs of `variant`.
    """
    kept = [run for run in runs if run["train"] == source]
    seeds = sorted({seed for run in kept if run["variant"] == variant for seed in run["seeds"]}) or [0]
    added = [{"variant": variant, "train": language, "seeds": list(seeds)} for language in selected]
    overlay: dict[str, Any] = {"finetune": {"runs": [*kept, *added]}}
    if selected:
        overlay["finetune"]["sets"] = {"selected": [source, *selected]}
        overlay["finetune"]["runs"].append({"variant": variant, "train": "selected", "seeds": list(seeds)})
    return yaml.safe_dump(overlay, sort_keys=False, allow_unicode=True)
