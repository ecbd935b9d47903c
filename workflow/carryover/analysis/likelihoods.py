"""How likely systems find sentences, as cells: a row a sentence, with its `nats`, `tokens` and `bytes`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from carryover.analysis.predictions import Cells, cells_of, values
from carryover.metrics import bits_per_byte, bits_per_sentence
from carryover.planning.paths import EvaluationSet, System, likelihood_of

METRICS = {"bits_per_sentence": bits_per_sentence, "bits_per_byte": bits_per_byte}


def asked_of(language: str) -> EvaluationSet:
    """What a system was asked: how likely it finds the dev sentences of a language."""
    return EvaluationSet("likelihood", "full", "dev", language)


def read_likelihoods(paths: Iterable[Path], languages: Iterable[str]) -> Cells:
    """Every file of likelihoods in these languages, the seeds of a system together."""
    named = ((path, *likelihood_of(path)) for path in sorted(paths))
    return cells_of(((path, system, seed, asked_of(language)) for path, system, seed, language in named), languages, {})


def exposure(likelihoods: Cells, system: System, languages: Iterable[str], source: str) -> dict[str, float]:
    """Bits per parallel sentence by language: of those whose sentences are, by their ids, those of the source language.

    Empty where the system was asked no other language.
    """
    reference = likelihoods.get((system, asked_of(source)))
    cells = {language: likelihoods.get((system, asked_of(language))) for language in languages if reference is not None}
    found = {
        language: float(values(cell, bits_per_sentence).mean())
        for language, cell in cells.items()
        if cell is not None and reference is not None and np.array_equal(cell.id, reference.id)
    }
    return found if set(found) - {source} else {}
