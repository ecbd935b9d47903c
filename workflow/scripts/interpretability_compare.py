"""Compares what one model kept of each language with what it kept of the source language, layer by layer."""

import pandas as pd

from carryover.reporting.chapter_tables import csv
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.interpretability.readings import attention_rows, permutations, read_reading, representation_rows


def work(job: Job) -> None:
    config, (first, *others) = job.config, job.inputs["readings"]
    source = read_reading(first)
    orders = permutations(len(source["tokens"]), config["permutations"], config["seed"])
    representations, attention = [], attention_rows(first.stem, source)
    for path in others:
        reading = read_reading(path)
        representations += representation_rows(path.stem, source, reading, orders)
        attention += attention_rows(path.stem, reading)
    files.write_text(job.output("representations"), csv(pd.DataFrame(representations)))
    files.write_text(job.output("attention"), csv(pd.DataFrame(attention)))


if __name__ == "__main__":
    run_job(work)
