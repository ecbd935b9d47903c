"""The tables of chapters as CSV files: written at the end of each script `<chapter>_tables.py`, read by the steps after it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.analysis.records import read_csv
from carryover.planning.paths import table_of
from carryover.reporting.functions import function
from carryover.runtime import files, parts
from carryover.runtime.job import Job


def write_tables(job: Job, source: Any) -> None:
    """Writes each of the job's output files by the function that `chapter.yaml` names for it.

    source: what every function gets, as the chapter's script read it. The job's config has the functions in `tables` and
    their modules in `parts`.
    """
    modules = parts.load(job.config["parts"])
    made = {}
    for path in job.outputs["tables"]:
        chapter, name = table_of(path)
        made[path] = function(modules, chapter, job.config["tables"][name])(source)
    for path, table in made.items():
        files.write_text(path, csv(table))
    job.facts["rows"] = {path.stem: len(table) for path, table in made.items()}


def csv(table: pd.DataFrame) -> str:
    """A table as the text of its file: six significant digits, the same line endings everywhere."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def read_tables(paths: Iterable[Path]) -> dict[str, dict[str, pd.DataFrame]]:
    """The tables by chapter and name."""
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for path in paths:
        chapter, name = table_of(path)
        tables.setdefault(chapter, {})[name] = read_csv(path)
    return tables
