"""Compares a model with transformers on the same weights."""

from carryover.evaluation.parity import compare
from carryover.runtime import files, parts
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    directory = job.inputs["model"][0].parent
    model = parts.load(job.config["parts"])["models"].load(directory)
    facts = compare(model, directory, job.config["tolerance"], job.config["seed"])
    files.write_json(job.output("facts"), {"model": job.config["model"], **facts})


if __name__ == "__main__":
    run_job(work)
