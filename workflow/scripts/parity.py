"""Compares a model with transformers on the same weights."""

from carryover.evaluation.parity import compare
from carryover.models import gpt2
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    directory = job.inputs["model"][0].parent
    facts = compare(gpt2.load(directory), directory, job.config["tolerance"], job.config["seed"])
    files.write_json(job.output("facts"), {"backbone": job.config["model"], **facts})


if __name__ == "__main__":
    run_job(work)
