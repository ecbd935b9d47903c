"""The report: one HTML file from tables, figures, generations and provenance."""

from carryover import columns, evidence, files, report, sentences
from carryover.job import Job, run_job
from carryover.wording import Words, duration


def work(job: Job) -> None:
    config = job.config
    known = evidence.read_csv(job.input("languages"))
    words = Words(dict(zip(known["language"], known["name"], strict=True)), config["digits"], config["confidence"])
    tables = {path.stem: evidence.read_csv(path) for path in job.inputs["tables"]}
    jobs = report.jobs_table(job.inputs["made"], job.inputs["training"], job.output("report").parent)
    anchors = {name: report.anchor(name) for name in jobs["job"]}
    captions = report.captions(job.inputs["templates"])
    shown = {
        name: report.html_table(name, table, words, anchors, set(config["beside"]))
        for name, table in (tables | {"jobs": jobs}).items()
        if name in columns.SHOWN
    }
    drawn = {path.stem: evidence.read_csv(path) for path in job.inputs["data"]}
    figures = {}
    for path in job.inputs["figures"]:
        svg = report.inline_svg(path.read_text(encoding="utf-8"), path.stem, captions[path.stem])
        figures[path.stem] = {"name": path.stem, "svg": svg, "csv": report.data_uri(drawn[path.stem])}
    on_gpu = jobs[jobs["device"].astype(str).str.startswith("cuda")]
    page = report.render(
        job.inputs["templates"],
        config=config,
        captions=captions,
        said=sentences.chapters(tables, words),
        tables=shown,
        figures=figures,
        generations=[entry for path in job.inputs["generations"] for entry in evidence.read_json(path)],
        languages=[{"code": code, "name": words.language(code)} for code in config["languages"]],
        spent={
            "jobs": len(jobs),
            "time": duration(jobs["seconds"].sum()),
            "gpu": duration(on_gpu["seconds"].sum()),
            "on_gpu": len(on_gpu),
        },
        packages=sorted(set(jobs["packages"])),
        commits=sorted(set(jobs["git_commit"].dropna())),
    )
    files.write_text(job.output("jobs"), jobs.to_csv(index=False, lineterminator="\n"))
    files.write_text(job.output("report"), page)


if __name__ == "__main__":
    inputs = ["tables", "figures", "data", "generations", "training", "made", "templates", "languages"]
    run_job(work, inputs=inputs, outputs=["report", "jobs"])
