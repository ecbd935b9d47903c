"""Tokenises the inputs of one language of a task under one view, split by split."""

import pandas as pd

from carryover.data import tokenizer
from carryover.planning.paths import language_and_split
from carryover.runtime import files, parts
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, options, splits = job.config, job.config["options"], {}
    task = parts.load(config["parts"])["tasks"]
    made, seen = tokenizer.load(job.input("tokenizer")), config["pretraining_length"]
    for source, target in zip(job.inputs["tables"], job.outputs["tokens"], strict=True):
        with files.reading(source):
            table = pd.read_parquet(source)
        table = task.apply_view(table, config["view"], options.get("shuffle_seed"), config["language"])
        dataset, counts = task.encode(table, made, options, options["max_length"])
        dataset.save(target)
        beyond = None if seen is None else float((dataset.lengths > seen).mean())
        language, split = language_and_split(target)
        splits[split] = {**counts, "mean_tokens": float(dataset.lengths.mean()), "beyond_pretraining": beyond}
    job.facts["beginning"] = [made.id_to_token(token) for token in tokenizer.beginning(made)]
    files.write_json(job.output("counts"), {"language": language, "view": config["view"], "splits": splits})


if __name__ == "__main__":
    run_job(work)
