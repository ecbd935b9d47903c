"""Puts a pretrained model beside the tokeniser, once it is known to be a GPT-2 that fits it."""

from carryover.data import tokenizer
from carryover.models.gpt2 import GPT2Model
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    model = GPT2Model.from_pretrained(job.inputs["files"][0].parent, weights=job.inputs["files"][1])
    entries = tokenizer.load(job.inputs["tokenizer"][0]).get_vocab_size()
    if entries > model.config.vocab_size:
        raise BadInput(
            f"{job.inputs['files'][0]}: a vocabulary of {model.config.vocab_size}, the tokeniser has {entries} entries"
        )
    directory = job.outputs["model"][0].parent
    model.save_pretrained(directory)
    tokenizer.copy_beside(job.inputs["tokenizer"], directory)
    job.facts["parameters"] = sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    run_job(work)
