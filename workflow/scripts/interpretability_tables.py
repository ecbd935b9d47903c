"""The tables of the chapter on interpretability, from what was kept of each model."""

from carryover.analysis.records import read_csv
from carryover.planning.paths import subject_of
from carryover.reporting.chapter_tables import write_tables
from carryover.runtime.job import Job, run_job
from chapters.interpretability.sources import Inside, of_subjects


def work(job: Job) -> None:
    def gathered(name: str):
        return of_subjects({subject_of(path): read_csv(path) for path in job.inputs[name]})

    write_tables(job, Inside(job.config, gathered("representations"), gathered("attention")))


if __name__ == "__main__":
    run_job(work)
