"""Tokenises the prompts of one language and split under one view."""

import pandas as pd

from carryover import files, tokenizer, tokens
from carryover.job import Job, run_job


def work(job: Job) -> None:
    config = job.config
    table = tokens.apply_view(pd.read_parquet(job.input("table")), config["view"], config["shuffle_seed"])
    made = tokenizer.load(job.input("tokenizer"))
    dataset, counts = tokens.tokenize(table, made, config["template"], config["labels"], config["max_length"])
    tokens.save_tokens(dataset, job.output("tokens"))
    language, split = job.output("tokens").stem.rsplit(".", 1)
    beyond = float((dataset.lengths > config["pretrained_positions"]).mean())
    facts = {**counts, "mean_tokens": float(dataset.lengths.mean()), "beyond_pretraining": beyond}
    files.write_json(job.output("counts"), {"language": language, "view": config["view"], "splits": {split: facts}})


if __name__ == "__main__":
    run_job(work, inputs=["table", "tokenizer"], outputs=["tokens", "counts"])
