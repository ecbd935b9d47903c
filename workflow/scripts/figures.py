"""Every figure of the study's chapters as SVG, drawn from their tables alone, and the rows that it shows as CSV."""

from carryover.planning.paths import table_of
from carryover.reporting.chapter_tables import csv
from carryover.reporting.drawing import drawn
from carryover.reporting.style import rendered
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    figures = drawn(job)
    for path in job.outputs["figures"]:
        files.write_bytes(path, rendered(figures[table_of(path)][0], "svg"))
    for path in job.outputs["data"]:
        files.write_text(path, csv(figures[table_of(path)][1]))


if __name__ == "__main__":
    run_job(work)
