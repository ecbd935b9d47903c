"""Reads the splits of one language from an archive into tables, and counts what was used."""

from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from carryover.tasks import nli


def work(job: Job) -> None:
    language, paths = job.config["language"], job.outputs["tables"]
    splits = [path.stem.rsplit(".", 1)[-1] for path in paths]
    tables, counts = nli.read(job.inputs["archive"], language, splits, job.config)
    for path, split in zip(paths, splits, strict=True):
        with files.whole(path) as partial:
            tables[split].to_parquet(partial, index=False, compression="zstd")
    files.write_json(job.output("counts"), {"language": language, "splits": counts})


if __name__ == "__main__":
    run_job(work)
