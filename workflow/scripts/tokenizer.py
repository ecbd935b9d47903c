"""Makes the tokeniser's directory: from a vocabulary and its merges, or by training one on text."""

from carryover.data import tokenizer
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    sources = job.inputs["files"]
    made = (
        tokenizer.from_files(*sources)
        if job.config["source"] == "files"
        else tokenizer.train_bpe(*sources, job.config["vocabulary"])
    )
    tokenizer.save(made, job.outputs["tokenizer"][0].parent)
    job.facts["vocabulary"] = made.get_vocab_size()


if __name__ == "__main__":
    run_job(work)
