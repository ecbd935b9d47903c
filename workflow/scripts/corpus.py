"""Reads the splits of one language of a task into tables, and counts what was used."""

from carryover.planning.paths import language_and_split
from carryover.runtime import files, parts
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, targets = job.config, job.outputs["tables"]
    task = parts.load(config["parts"])["tasks"]
    splits = [language_and_split(path)[1] for path in targets]
    options = {**config["options"], "unsegmented": config["unsegmented"]}
    tables, counts = task.read(job.inputs["sources"], config["language"], splits, options)
    for path, split in zip(targets, splits, strict=True):
        with files.whole(path) as partial:
            tables[split].to_parquet(partial, index=False, compression="zstd")
    files.write_json(job.output("counts"), {"language": config["language"], "splits": counts})


if __name__ == "__main__":
    run_job(work)
