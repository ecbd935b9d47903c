"""The tables of the chapter on adaptation, from answers, training records and likelihoods."""

from carryover.analysis.likelihoods import read_likelihoods
from carryover.analysis.predictions import read_cells
from carryover.analysis.records import read_csv, read_fertility, read_training
from carryover.reporting.chapter_tables import write_tables
from carryover.runtime.job import Job, run_job
from chapters.adaptation.sources import Adaptation


def work(job: Job) -> None:
    labels = {task: tuple(names) for task, names in job.config["labels"].items()}
    known = read_csv(job.input("languages"))
    study = Adaptation(
        config=job.config,
        cells=read_cells(job.inputs["predictions"], job.config["languages"], labels),
        training=read_training(job.inputs["training"]),
        likelihoods=read_likelihoods(job.inputs["likelihoods"], [job.config["source_language"]]),
        fertility=read_fertility(job.inputs["fertility"]),
        scripts=dict(zip(known["language"], known["script"], strict=True)),
        claims=read_csv(job.input("claims")),
    )
    write_tables(job, study)


if __name__ == "__main__":
    run_job(work)
