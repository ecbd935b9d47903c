"""Says how likely one model finds the sentences of each language: a row a sentence."""

import pandas as pd

from carryover.data import tokenizer
from carryover.evaluation.likelihood import beginning_of_text, likelihood
from carryover.models.opening import open_model
from carryover.runtime import files, parts
from carryover.runtime.devices import check_precision, choose_device
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, part = job.config, parts.load(job.config["parts"])
    device, directory = choose_device(job.gpu, config["threads"]), job.inputs["model"][0].parent
    check_precision(config["precision"], device)
    model = open_model(part, job.inputs["model"], job.inputs.get("added", [])).to(device)
    made = tokenizer.load(directory / "tokenizer.json")
    job.facts["beginning"] = [made.id_to_token(token) for token in beginning_of_text(made, model.facts)]
    for source, target in zip(job.inputs["texts"], job.outputs["likelihoods"], strict=True):
        with files.reading(source):
            table = pd.read_parquet(source).drop_duplicates("cluster")  # rows of a cluster share their first field
        table = table if config["rows"] is None else table.head(config["rows"])
        texts = table[config["text"]].tolist()
        if not all(isinstance(text, str) for text in texts):
            raise BadInput(f"{source}: {config['text']} is no text; leave the section likelihood out for this task")
        found = likelihood(model, made, texts, config["precision"])
        counted = {"nats": found.nats, "tokens": found.tokens, "bytes": found.bytes}
        rows = pd.DataFrame({"id": table["cluster"].to_numpy(), "cluster": table["cluster"].to_numpy(), **counted})
        with files.whole(target) as partial:
            rows.to_parquet(partial, index=False, compression="zstd")


if __name__ == "__main__":
    run_job(work)
