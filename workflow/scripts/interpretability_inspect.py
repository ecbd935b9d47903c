"""Reads the same sentences of every language with one model, and keeps what went on inside."""

import numpy as np
import pandas as pd
from safetensors.numpy import save

from carryover.data import tokenizer
from carryover.data.prompts import XNLIDataset
from carryover.inspection import sentences
from carryover.inspection.lens import read_answers
from carryover.inspection.representations import raw_cosine
from carryover.inspection.tap import kept_states, read
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.interpretability.subject import open_subject


def work(job: Job) -> None:
    config, model = job.config, open_subject(job)
    tables = []
    for path in job.inputs["tables"]:
        with files.reading(path):
            tables.append(pd.read_parquet(path, columns=["cluster", "premise"]))
    states, made = kept_states(config["layers"], model.facts.layers), tokenizer.load(job.input("tokenizer"))
    read_by_language = zip(
        sentences.parallel(tables, config["items"], "items"), job.inputs["tokens"], job.outputs["readings"], strict=True
    )
    source = None
    for texts, tokens, path in read_by_language:
        reading = read(model, sentences.encode(made, texts, model.facts.context), states, config["window"])
        source = reading.whole if source is None else source
        kept = {name: getattr(reading, name) for name in ("pooled", "attention", "active", "tokens", "nats")}
        kept |= {"raw_cosine": raw_cosine(source, reading.whole), "states": np.array(states)}
        kept["raw_shuffled"] = raw_cosine(np.roll(source, 1, axis=0), reading.whole)  # each beside another's translation
        data = XNLIDataset.load([tokens])
        rows = np.arange(min(config["prompts"], len(data)))
        answers = read_answers(model, data, rows, states)
        kept |= {"logp": answers.logp, "ends": answers.ends, "target": data.targets[rows], "cluster": data.clusters[rows]}
        files.write_bytes(path, save({name: np.ascontiguousarray(value) for name, value in kept.items()}))


if __name__ == "__main__":
    run_job(work)
