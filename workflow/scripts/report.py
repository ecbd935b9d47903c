"""The report: one HTML file from tables, figures, generations and provenance."""

import pandas as pd

from carryover.analysis import records
from carryover.reporting import columns, page
from carryover.reporting.formatting import Words
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.transfer import sentences


def work(job: Job) -> None:
    config = job.config
    known = records.read_csv(job.input("languages"))
    words = Words(dict(zip(known["language"], known["name"], strict=True)), config["digits"], config["confidence"])
    tables = {path.stem: records.read_csv(path) for path in job.inputs["tables"]}
    study = job.output("report").parent
    jobs = page.jobs_table(job.inputs["made"], job.inputs["training"], study)
    plans = [page.planned_table(records.read_csv(path), jobs, job.inputs["training"], study) for path in job.inputs["plan"]]
    made = {"jobs": jobs, "planned": plans[0] if plans else pd.DataFrame()}
    anchors = {name: page.anchor(name) for name in jobs["job"]}
    captions = page.captions(job.inputs["templates"])
    shown = {
        name: page.html_table(name, table, words, anchors, set(config["beside"]))
        for name, table in (tables | made).items()
        if name in columns.SHOWN
    }
    matrix = next((records.read_csv(path) for path in job.inputs["matrix"]), pd.DataFrame(columns=["leaf"]))
    shown["blast_radius"] = page.matrix_table("blast_radius", matrix)
    drawn = {path.stem: records.read_csv(path) for path in job.inputs["data"]}
    figures = {}
    for path in job.inputs["figures"]:
        svg = page.inline_svg(path.read_text(encoding="utf-8"), path.stem, captions[path.stem])
        figures[path.stem] = {"name": path.stem, "svg": svg, "csv": page.data_uri(drawn[path.stem])}
    rendered = page.render(
        job.inputs["templates"],
        config=config | {"level": words.level},
        captions=captions,
        said=sentences.chapters(tables, words),
        tables=shown,
        figures=figures,
        generations=[entry for path in job.inputs["generations"] for entry in records.read_json(path)],
        languages=[{"code": code, "name": words.language(code)} for code in config["languages"]],
        spent=page.spent(jobs, made["planned"]),
        packages=sorted(set(jobs["packages"])),
        commits=sorted(set(jobs["git_commit"].dropna())),
    )
    files.write_text(job.output("jobs"), jobs.to_csv(index=False, lineterminator="\n"))
    files.write_text(job.output("report"), rendered)


if __name__ == "__main__":
    inputs = ["tables", "figures", "data", "generations", "training", "made", "templates", "languages", "plan", "matrix"]
    run_job(work, inputs=inputs, outputs=["report", "jobs"])
