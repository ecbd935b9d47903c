"""The figures of all chapters, each by the function that its `chapter.yaml` names, from the chapter's tables alone."""

from __future__ import annotations

from carryover.analysis.records import read_csv
from carryover.reporting.chapter_tables import read_tables
from carryover.reporting.functions import function
from carryover.reporting.style import Drawn, Look
from carryover.runtime import parts
from carryover.runtime.job import Job


def drawn(job: Job) -> dict[tuple[str, str], Drawn]:
    """The figures by chapter and name.

    The job's inputs are `tables` and `languages`; its config has the functions of each chapter's figures in `figures`, their
    modules in `parts`, and the fields of `Look` in `look`.
    """
    tables = read_tables(job.inputs["tables"])
    modules = parts.load(job.config["parts"])
    look = Look(read_csv(job.input("languages")), **job.config["look"])
    return {
        (chapter, name): function(modules, chapter, draw)(tables.get(chapter, {}), look)
        for chapter, figures in job.config["figures"].items()
        for name, draw in figures.items()
    }
