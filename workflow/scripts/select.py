"""Proposes the languages to train, from the source language's systems on dev and from fertility."""

from carryover.analysis import records
from carryover.analysis.predictions import read_cells
from carryover.analysis.selection import Thresholds, adopting_overlay, measure_candidates, propose
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import language_and_split
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, source = job.config, job.config["source_language"]
    languages = {language_and_split(path)[0] for path in job.inputs["predictions"]}
    cells = read_cells(job.inputs["predictions"], languages, {})
    settings = Settings(1 - config["alpha"], config["resamples"], config["seed"])
    candidates = measure_candidates(cells, records.read_csv(job.input("fertility")), source, settings)
    thresholds = Thresholds(**{name: config[name] for name in Thresholds.__dataclass_fields__})
    entries = propose(candidates, config["strategy"], thresholds, config["trainable"], source)
    proposal = {"strategy": config["strategy"], "thresholds": vars(thresholds), "listed": config["listed"], "languages": entries}
    files.write_json(job.output("proposal"), proposal)
    selected = [entry["language"] for entry in entries if entry["selected"]]
    overlay = adopting_overlay(selected, config["runs"], config["variant"], source)
    files.write_text(job.output("overlay"), overlay)


if __name__ == "__main__":
    run_job(work)
