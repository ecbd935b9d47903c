"""Scores every language and split with one model: a row an example."""

import pandas as pd

from carryover.answers import choice
from carryover.models.gpt2 import GPT2Model
from carryover.runtime import files
from carryover.runtime.devices import choose_device
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    device = choose_device(job.gpu, job.config["threads"])
    model = GPT2Model.from_pretrained(job.inputs["model"][0].parent).to(device)
    for source, target in zip(job.inputs["tokens"], job.outputs["predictions"], strict=True):
        data = choice.load([source])
        table = pd.DataFrame(choice.predictions(data, choice.score(model, data, job.config["precision"])))
        with files.whole(target) as partial:
            table.to_parquet(partial, index=False, compression="zstd")


if __name__ == "__main__":
    run_job(work)
