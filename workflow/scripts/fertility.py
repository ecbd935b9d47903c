"""Measures the tokeniser on every language."""

import pandas as pd

from carryover.data import tokenizer
from carryover.data.fertility import TEXTS, measure
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    paths = [*job.inputs["train"], *job.inputs["dev"]]
    columns = [*TEXTS, "id", "cluster"]
    tables = {}
    for path in paths:
        with files.reading(path):
            tables[tuple(path.stem.rsplit(".", 1))] = pd.read_parquet(path, columns=columns)
    measured = measure(tables, tokenizer.load(job.input("tokenizer")), job.config["rows"])
    files.write_text(job.output("fertility"), measured.to_csv(index=False))


if __name__ == "__main__":
    run_job(work)
