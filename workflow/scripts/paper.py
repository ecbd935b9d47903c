"""Tables as LaTeX and figures as PDF, ready to be included in a paper, and a document that includes them all."""

from carryover.analysis.records import read_csv
from carryover.reporting import latex
from carryover.reporting.chapter_tables import read_tables
from carryover.reporting.chapters import read_chapter
from carryover.reporting.drawing import drawn
from carryover.reporting.formatting import Words
from carryover.reporting.style import rendered
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config = job.config
    known = read_csv(job.input("languages"))
    names = dict(zip(known["language"], known["name"], strict=True))
    words = Words(names, config["digits"], config["look"]["confidence"], config["look"]["source"], config["terms"])
    chapters = {path.parent.name: read_chapter(path).filled(words.filled) for path in job.inputs["chapters"]}
    tables, figures = read_tables(job.inputs["tables"]), drawn(job)
    for path in job.outputs["tex"]:
        chapter = chapters[path.parent.name]
        table = chapter.tables[path.stem]
        files.write_text(path, latex.latex_table(chapter.name, table, tables[chapter.name][table.name], words))
    for path in job.outputs["figures"]:
        files.write_bytes(path, rendered(figures[path.parent.name, path.stem][0], "pdf"))
    files.write_text(job.output("document"), latex.document(chapters.values(), config["title"]))


if __name__ == "__main__":
    run_job(work)
