"""Writes the configuration of the study, every default filled in."""

import yaml

from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    files.write_text(job.output("config"), yaml.safe_dump(job.config["resolved"], sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    run_job(work)
