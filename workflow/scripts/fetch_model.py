"""Fetches one model of the hub at one revision."""

from carryover.data.hub import fetch_model
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    directory = job.outputs["files"][0].parent
    job.facts["sha256"] = fetch_model(job.config["repository"], job.config["revision"], directory)


if __name__ == "__main__":
    run_job(work)
