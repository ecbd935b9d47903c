"""The table of claims: what was published of a model's inside, and what this study's tables say of it, for each model."""

from __future__ import annotations

import pandas as pd

from carryover.analysis.claims import Results, claims_of, deciding_tests, verdicts
from chapters.interpretability import claims as tests
from chapters.interpretability import prediction, tables
from chapters.interpretability.sources import Inside

NEEDED = (tables.similarity, tables.attention, prediction.languages)


def claims(study: Inside) -> pd.DataFrame:
    """Each published claim about the inside of a model, with its verdict, the numbers that decided it, and why."""
    made = {make.__name__: make(study) for make in NEEDED}
    listed, rows = claims_of(study.claims, "interpretability"), []
    for model in dict.fromkeys(study.representations["model"]):
        own = {name: table[table["model"] == model] for name, table in made.items()}
        results = Results(model, own, study.scripts, study.source, study.settings)
        rows += verdicts(listed, deciding_tests(tests), results)
    columns = ["model", "source", "section", "claim", "test", "verdict", "numbers", "n", "why"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})
