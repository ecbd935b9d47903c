"""Takes a pretrained model over as it is, with its own tokeniser, once the two are known to fit."""

import json

from carryover.data import tokenizer
from carryover.planning.facts import facts_of
from carryover.runtime import files, parts
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    described, weights = job.inputs["files"]
    with files.reading(described):
        stored = json.loads(described.read_text(encoding="utf-8"))
    try:
        facts = facts_of(stored)
    except BadInput as problem:
        raise BadInput(f"{described}: {problem}") from None
    entries = tokenizer.load(job.inputs["tokenizer"][0]).get_vocab_size()
    if entries > facts.vocabulary:
        raise BadInput(f"{described}: a vocabulary of {facts.vocabulary}, the tokeniser has {entries} entries")
    directory = job.outputs["model"][0].parent
    tokenizer.copy_tokenizer(job.inputs["tokenizer"], directory)
    for source, name in ((described, "config.json"), (weights, "model.safetensors")):
        files.copy(source, directory / name)
    parts.load(job.config["parts"])["models"].load(directory)  # what cannot be opened is said now
    job.facts["parameters"] = facts.parameters


if __name__ == "__main__":
    run_job(work)
