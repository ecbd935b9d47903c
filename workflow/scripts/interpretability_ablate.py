"""Finds the neurons of each language in one model, and asks it without them, and without as many others."""

import numpy as np
import pandas as pd

from carryover.data import tokenizer
from carryover.data.prompts import XNLIDataset
from carryover.inspection import sentences
from carryover.reporting.chapter_tables import csv
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.interpretability.ablation import COLUMNS, Asked, ablation_rows, neuron_sets
from chapters.interpretability.readings import read_reading
from chapters.interpretability.subject import open_subject


def work(job: Job) -> None:
    config, model = job.config, open_subject(job)
    readings = {path.stem: read_reading(path) for path in job.inputs["readings"]}
    rates = {language: reading["active"] / reading["tokens"].sum() for language, reading in readings.items()}
    made, asked = tokenizer.load(job.input("tokenizer")), {}
    tables = [pd.read_parquet(path, columns=["cluster", "premise"]) for path in job.inputs["tables"]]
    texts = sentences.parallel(tables, config["items"], "neurons.items")
    for language, some, tokens in zip(config["asked"], texts, job.inputs["tokens"], strict=True):
        data = XNLIDataset.load([tokens])
        rows = np.arange(min(config["prompts"], len(data)))
        asked[language] = Asked(sentences.encode(made, some, model.facts.context), data, rows)
    source, *ablated = config["asked"]
    sets = neuron_sets(rates, ablated, config["share"], config["draws"], seed=0)
    rows = ablation_rows(model, asked, source, sets)
    files.write_text(job.output("ablation"), csv(pd.DataFrame(rows, columns=COLUMNS)))


if __name__ == "__main__":
    run_job(work)
