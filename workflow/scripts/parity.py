"""Compares a model with transformers on the same weights."""

from carryover.evaluation.parity import compare
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    facts = compare(job.inputs["model"][0].parent, job.config["tolerance"], job.config["seed"])
    files.write_json(job.output("facts"), {"backbone": job.config["model"], **facts})


if __name__ == "__main__":
    run_job(work, inputs=["model"], outputs=["facts"])
