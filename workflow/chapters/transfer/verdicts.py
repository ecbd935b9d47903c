"""The table of claims: what was published, and what this study's tables say of it, for each model and method by itself."""

from __future__ import annotations

import pandas as pd

from carryover.analysis.claims import Results, claims_of, deciding_tests, verdicts
from carryover.reporting.groups import Group, rows_of
from chapters.transfer import claims as tests
from chapters.transfer import comparisons, equal_effort, references, tables
from chapters.transfer.retention import retention
from chapters.transfer.sources import TransferStudy

NEEDED = (
    *(tables.zero_shot, tables.fertility, tables.regimes, tables.transfer_matrix, tables.one_or_many, tables.data),
    *(comparisons.hyperparameters, comparisons.differences, comparisons.correlation, references.per_language),
    *(equal_effort.equal_effort, retention),
)


def claims(study: TransferStudy) -> pd.DataFrame:
    """Each published claim about transfer, with its verdict, the numbers that decided it, and why."""
    made = {make.__name__: make(study) for make in NEEDED}
    listed = claims_of(study.published["claims"], "transfer")
    rows = []
    for group in study.groups():
        own = {name: rows_of(table, Group(group.model, group.method)) for name, table in made.items()}
        own["fertility"] = made["fertility"][made["fertility"]["tokenizer"] == study.tokenizer_of(group.model)]
        results = Results(group.model, own, study.scripts, study.source, study.settings, study.incomparable_with(group))
        rows += [group._asdict() | row for row in verdicts(listed, deciding_tests(tests), results)]
    columns = [*tables.GROUP, "source", "section", "claim", "test", "verdict", "numbers", "n", "why"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})
