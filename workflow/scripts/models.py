"""Takes a pretrained model over, whatever its source, with its own tokeniser, once the two are known to fit."""

from carryover.data import model_files, tokenizer
from carryover.models import gguf, own_tokenizer
from carryover.planning.facts import facts_of
from carryover.runtime import parts
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    source, directory = job.config["source"], job.outputs["model"][0].parent
    given = [*job.inputs["files"], *job.inputs["tokenizer"]]
    if source == "package":
        job.facts["gguf"] = gguf.convert(*given, directory)
    else:
        names = ["config.json", "model.safetensors"] if source == "fetch" else []  # a file of the config has any name
        model_files.assemble(dict(zip([*names, *(path.name for path in given[len(names) :])], given, strict=True)), directory)
    stated = job.inputs["files"][0] if source != "package" else directory / "config.json"
    try:
        facts = facts_of(model_files.read_json(directory / "config.json"))
    except BadInput as problem:
        raise BadInput(f"{stated}: {problem}") from None
    if source != "fetch":
        own_tokenizer.settle(directory)
    made = tokenizer.load(directory / "tokenizer.json")
    if made.get_vocab_size() > facts.vocabulary:
        raise BadInput(f"{stated}: a vocabulary of {facts.vocabulary}, the tokeniser has {made.get_vocab_size()} entries")
    parts.load(job.config["parts"])["models"].load(directory)  # what cannot be opened is said now
    job.facts |= {"parameters": facts.parameters, "beginning": [made.id_to_token(token) for token in tokenizer.beginning(made)]}


if __name__ == "__main__":
    run_job(work)
