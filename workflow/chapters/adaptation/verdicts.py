"""The table of claims: what was published of light fine-tuning, and what this study's tables say of it, for each model."""

from __future__ import annotations

import pandas as pd

from carryover.analysis.claims import Results, claims_of, deciding_tests, verdicts
from chapters.adaptation import claims as tests
from chapters.adaptation import tables
from chapters.adaptation.sources import Adaptation

NEEDED = (tables.accuracy, tables.methods, tables.training, tables.forgetting)


def claims(study: Adaptation) -> pd.DataFrame:
    """Each published claim about ways of adapting a model, with its verdict, the numbers that decided it, and why."""
    made = {make.__name__: make(study) for make in NEEDED}
    listed, rows = claims_of(study.claims, "adaptation"), []
    for model in dict.fromkeys(system.model for system in study.systems()):
        own = {name: table[table["model"] == model] for name, table in made.items()}
        results = Results(model, own, study.scripts, study.source, study.settings)
        rows += verdicts(listed, deciding_tests(tests), results)
    columns = ["model", "source", "section", "claim", "test", "verdict", "numbers", "n", "why"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})
