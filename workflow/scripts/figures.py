"""Every figure of the study as SVG, and the rows that it shows as CSV."""

from carryover.analysis import records
from carryover.reporting.style import Look, rendered
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.transfer.figures import draw


def work(job: Job) -> None:
    tables = {path.stem: records.read_csv(path) for path in job.inputs["tables"]}
    look = Look(records.read_csv(job.input("languages")), **job.config)
    drawn = draw(tables, job.inputs["curves"], job.inputs["pretrain"], look)
    for path in job.outputs["figures"]:
        files.write_bytes(path, rendered(drawn[path.stem][0], "svg"))
    for path in job.outputs["data"]:
        files.write_text(path, drawn[path.stem][1].to_csv(index=False, float_format="%.6g", lineterminator="\n"))


if __name__ == "__main__":
    run_job(work, inputs=["tables", "curves", "pretrain", "languages"], outputs=["figures", "data"])
