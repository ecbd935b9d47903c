"""Compares what one model kept of each language with what it kept of the source language, layer by layer."""

import pandas as pd

from carryover.reporting.chapter_tables import csv
from carryover.runtime import files
from carryover.runtime.errors import BadInput
from carryover.runtime.job import Job, run_job
from chapters.interpretability import readings


def work(job: Job) -> None:
    config, paths = job.config, job.inputs["readings"]
    source = readings.read_reading(paths[0])
    orders = readings.permutations(len(source["tokens"]), config["permutations"], config["seed"])
    rows: dict[str, list] = {name: [] for name in ("representations", "attention", "sentences", "lens")}
    for path in paths:
        language, reading = path.stem, readings.read_reading(path)
        if path != paths[0]:
            rows["representations"] += readings.representation_rows(language, source, reading, orders)
        rows["attention"] += readings.attention_rows(language, reading)
        rows["sentences"].append(readings.sentence_row(language, reading))
        rows["lens"] += readings.lens_rows(language, reading)
    if not rows["attention"]:
        raise BadInput("config: interpretability.window: no sentence of any language has so many tokens; ask for fewer")
    for name, found in rows.items():
        files.write_text(job.output(name), csv(pd.DataFrame(found)))


if __name__ == "__main__":
    run_job(work)
