"""Builds the embedded corpus into archives laid out like the published ones."""

from carryover.data import mini
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    built = mini.build(job.input("frames").parent)
    for name, output in (("XNLI-1.0.zip", "evaluation"), ("XNLI-MT-1.0.zip", "training"), ("pretrain.txt", "text")):
        files.write_bytes(job.output(output), built[name])


if __name__ == "__main__":
    run_job(work)
