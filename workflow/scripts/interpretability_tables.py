"""The tables of the chapter on interpretability, from what was kept of each model and the answers of the fine-tuned ones."""

from carryover.analysis.predictions import read_cells
from carryover.analysis.records import read_csv
from carryover.planning.paths import subject_of
from carryover.reporting.chapter_tables import write_tables
from carryover.runtime.job import Job, run_job
from chapters.interpretability.sources import Inside, of_subjects


def work(job: Job) -> None:
    names = ("representations", "attention", "sentences", "lens", "ablation")
    gathered = {name: of_subjects({subject_of(path): read_csv(path) for path in job.inputs[name]}) for name in names}
    labels = {task: tuple(names) for task, names in job.config["labels"].items()}
    cells = read_cells(job.inputs["predictions"], job.config["languages"], labels)
    known = read_csv(job.input("languages"))
    scripts = dict(zip(known["language"], known["script"], strict=True))
    theirs = {name: read_csv(job.input(name)) for name in ("claims", "published")}
    write_tables(job, Inside(config=job.config, cells=cells, scripts=scripts, **theirs, **gathered))


if __name__ == "__main__":
    run_job(work)
