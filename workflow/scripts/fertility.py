"""Measures the tokeniser on every language."""

import pandas as pd

from carryover.data import tokenizer
from carryover.data.fertility import TEXTS, measure, text_in
from carryover.data.transliteration import in_script
from carryover.planning.paths import language_and_split
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    paths = [*job.inputs["train"], *job.inputs["dev"]]
    columns = [*TEXTS, "id", "cluster"]
    tables = {}
    for path in paths:
        with files.reading(path):
            tables[language_and_split(path)] = pd.read_parquet(path, columns=columns)
    for script, languages in job.config["scripts"].items():
        for language, code in languages.items():
            dev = tables[language, "dev"]
            respelt = {column: in_script(dev[column], script, code) for column in TEXTS}
            tables[language, text_in(script)] = dev.assign(**respelt)
    measured = measure(tables, tokenizer.load(job.input("tokenizer")), job.config["rows"], job.config["source_language"])
    files.write_text(job.output("fertility"), measured.to_csv(index=False))


if __name__ == "__main__":
    run_job(work)
