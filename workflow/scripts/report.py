"""The report: one HTML file from the chapters' tables and figures and the provenance of every job."""

import pandas as pd

from carryover.analysis.records import read_csv
from carryover.planning.paths import table_of
from carryover.reporting import page, provenance
from carryover.reporting.chapter_tables import read_tables
from carryover.reporting.chapters import Chapter, read_chapter
from carryover.reporting.columns import Column
from carryover.reporting.formatting import Words
from carryover.reporting.functions import function
from carryover.runtime import files, parts
from carryover.runtime.job import Job, run_job

CLOSING = {
    "provenance.job_sentences": provenance.job_sentences,
    "provenance.version_sentences": provenance.version_sentences,
}


def work(job: Job) -> None:
    config = job.config
    known = read_csv(job.input("languages"))
    names = dict(zip(known["language"], known["name"], strict=True))
    words = Words(names, config["digits"], config["confidence"], config["source_language"], config["terms"])
    study = job.output("report").parent
    jobs = provenance.jobs_table(job.inputs["made"], job.inputs["training"], study)
    shown = page.Shown(words, set(jobs["job"]), config["published"], config["resamples"])
    tables, drawn = read_tables(job.inputs["tables"]), read_tables(job.inputs["data"])
    drawings = {table_of(path): path.read_text(encoding="utf-8") for path in job.inputs["figures"]}
    modules = parts.load(config["parts"])
    views = []
    for number, chapter in enumerate(map(read_chapter, job.inputs["chapters"]), 1):
        chapter = chapter.filled(words.filled)
        made = page.Made(
            tables=tables.get(chapter.name, {}),
            functions={name: function(modules, chapter.name, name) for name in chapter.said},
            drawings={name: text for (owner, name), text in drawings.items() if owner == chapter.name},
            drawn=drawn.get(chapter.name, {}),
        )
        views.append(page.chapter_view(number, chapter, made, shown))
        for figure in chapter.figures.values():
            captions = {path.stem: path for path in job.outputs["captions"]}
            files.write_text(captions[f"{chapter.name}-{figure.name}"], figure.caption + "\n")
    closing = read_chapter(next(path for path in job.inputs["templates"] if path.name == "closing.yaml"))
    views.append(_closing_view(len(views) + 1, closing, jobs, shown, job))
    texts = [path for path in job.inputs["templates"] if path.name != "closing.yaml"]
    rendered = page.render(
        texts,
        title=config["title"],
        study=config["study"],
        against=None,
        source=words.source_name,
        languages=len(config["languages"]),
        chapters=views,
    )
    files.write_text(job.output("jobs"), jobs.to_csv(index=False, lineterminator="\n"))
    files.write_text(job.output("report"), rendered)


def _closing_view(number: int, chapter: Chapter, jobs: pd.DataFrame, shown: page.Shown, job: Job) -> dict[str, object]:
    """What stands below all chapters: the jobs, the plan, and what each value of the config runs again."""
    study = job.output("report").parent
    plans = [provenance.planned_table(read_csv(path), jobs, job.inputs["training"], study) for path in job.inputs["plan"]]
    matrix = next((read_csv(path) for path in job.inputs["matrix"]), pd.DataFrame(columns=["leaf"]))
    tables = {"jobs": jobs, "planned": plans[0] if plans else pd.DataFrame(columns=["job"]), "blast_radius": matrix}
    chapter = chapter.with_columns("blast_radius", {rule: Column(rule, "mark") for rule in matrix.columns[1:]})
    return page.chapter_view(number, chapter, page.Made(tables, CLOSING, {}, {}), shown)


if __name__ == "__main__":
    run_job(work)
