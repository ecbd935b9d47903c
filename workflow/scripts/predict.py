"""Scores every language and split with one model: a row an answer."""

import pandas as pd

from carryover.models.opening import open_model
from carryover.runtime import files, parts
from carryover.runtime.devices import check_precision, choose_device
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    part = parts.load(job.config["parts"])
    device = choose_device(job.gpu, job.config["threads"])
    check_precision(job.config["precision"], device)
    added, answer = job.inputs.get("added", []), part["answers"]
    model = open_model(part, job.inputs["model"], added)
    asked = (answer.restore(model, added[0].parent) if added else model).to(device)
    for source, target in zip(job.inputs["tokens"], job.outputs["predictions"], strict=True):
        data = answer.load([source])
        table = pd.DataFrame(answer.predictions(data, answer.score(asked, data, job.config["precision"])))
        with files.whole(target) as partial:
            table.to_parquet(partial, index=False, compression="zstd")


if __name__ == "__main__":
    run_job(work)
