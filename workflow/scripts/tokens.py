"""Tokenises the prompts of one language under one view, split by split."""

import pandas as pd

from carryover.data import tokenizer
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from carryover.tasks import nli


def work(job: Job) -> None:
    config, splits = job.config, {}
    made = tokenizer.load(job.input("tokenizer"))
    for source, target in zip(job.inputs["tables"], job.outputs["tokens"], strict=True):
        with files.reading(source):
            table = pd.read_parquet(source)
        table = nli.apply_view(table, config["view"], config["shuffle_seed"])
        dataset, counts = nli.encode(table, made, config, config["max_length"])
        dataset.save(target)
        seen = config["pretrained_positions"]
        beyond = None if seen is None else float((dataset.lengths > seen).mean())
        language, split = target.stem.rsplit(".", 1)
        splits[split] = {**counts, "mean_tokens": float(dataset.lengths.mean()), "beyond_pretraining": beyond}
    files.write_json(job.output("counts"), {"language": language, "view": config["view"], "splits": splits})


if __name__ == "__main__":
    run_job(work)
