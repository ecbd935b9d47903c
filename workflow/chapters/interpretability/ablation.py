"""What a model loses without the neurons of a language: on its own sentences and prompts, and on those of the source language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from carryover.data.prompts import XNLIDataset
from carryover.inspection import neurons
from carryover.inspection.lens import read_answers
from carryover.inspection.tap import read
from carryover.models.interface import LanguageModel
from chapters.interpretability.readings import clustered_mean

SPECIFIC, RANDOM, ACTIVE = "specific", "random", "as active"
COLUMNS = ["ablated", "language", "measure", "neurons", "control", "value", "error", "beyond", "beyond_error", "n"]


class Asked(NamedTuple):
    """What a model is asked in one language: sentences as token ids, and rows of a data set of prompts."""

    sentences: list[np.ndarray]
    prompts: XNLIDataset
    rows: np.ndarray


def answers(model: LanguageModel, asked: Asked) -> dict[str, np.ndarray]:
    """bits: of each sentence; accuracy: 1 or 0 for each prompt."""
    last = model.facts.layers
    bits = read(model, asked.sentences, [last], window=10**9).nats / np.log(2)
    chosen = read_answers(model, asked.prompts, asked.rows, [last]).logp[:, 0].argmax(axis=-1)
    return {"bits": bits, "accuracy": (chosen == asked.prompts.targets[asked.rows]).astype(np.float64)}


def neuron_sets(
    rates: Mapping[str, np.ndarray], languages: list[str], share: float, draws: int, seed: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Language, kind and neurons [L, F]: those specific to each language, and as many others, several draws of each kind.

    rates: of every language that was read, [L, F]. A language without neurons of its own is left out.
    """
    found = dict(zip(rates, neurons.specific(np.stack(list(rates.values())), share), strict=True))
    for language in languages:
        rng = np.random.default_rng([seed, list(rates).index(language)])
        if found[language].any():
            yield language, SPECIFIC, found[language]
            for _ in range(draws):
                yield language, RANDOM, neurons.at_random(found[language], rng)
                yield language, ACTIVE, neurons.as_active(found[language], rates[language], rng)


def ablation_rows(
    model: LanguageModel, asked: Mapping[str, Asked], source: str, sets: Iterator[tuple[str, str, np.ndarray]]
) -> list[dict[str, Any]]:
    """A row an ablated language, language asked, kind of control and measure.

    value: what is lost without the specific neurons (bits that a sentence costs more, accuracy that is lost); error: its standard
    error; beyond, beyond_error: the same minus what is lost without the control's, a mean over its draws. Paired by item.
    """
    intact = {language: answers(model, one) for language, one in asked.items()}
    lost: dict[tuple[str, str, str, str], list[np.ndarray]] = {}
    size: dict[str, int] = {}
    for language, kind, chosen in sets:
        size[language] = int(chosen.sum())
        with neurons.ablated(model, chosen):
            for other in dict.fromkeys([language, source]):
                for measure, values in answers(model, asked[other]).items():
                    sign = 1 if measure == "bits" else -1
                    lost.setdefault((language, other, measure, kind), []).append(sign * (values - intact[other][measure]))
    rows = []
    for (language, other, measure, kind), (own, *_) in lost.items():
        clusters = np.arange(len(own)) if measure == "bits" else asked[other].prompts.clusters[asked[other].rows]
        named = {"ablated": language, "language": other, "measure": measure, "neurons": size[language], "n": len(own)}
        value, error = clustered_mean(own, clusters)
        for control in (RANDOM, ACTIVE) if kind == SPECIFIC else ():
            beyond = clustered_mean(own - np.mean(lost[language, other, measure, control], axis=0), clusters)
            row = {"control": control, "value": value, "error": error, "beyond": beyond[0], "beyond_error": beyond[1]}
            rows.append(named | row)
    return rows
