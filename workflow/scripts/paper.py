"""Tables as LaTeX and figures as PDF, ready to be included in a paper, and a document that includes them all."""

from carryover.analysis import records
from carryover.reporting import latex
from carryover.reporting.formatting import Words
from carryover.reporting.page import captions
from carryover.reporting.style import Look, rendered
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.transfer.figures import draw


def work(job: Job) -> None:
    config = job.config
    known = records.read_csv(job.input("languages"))
    words = Words(dict(zip(known["language"], known["name"], strict=True)), config["digits"], config["confidence"])
    look = Look(known, **{name: config[name] for name in ("listed", "confidence", "palette", "order")})
    tables = {path.stem: records.read_csv(path) for path in job.inputs["tables"]}
    said = captions(job.inputs["captions"])
    drawn = draw(tables, job.inputs["curves"], job.inputs["pretrain"], look)
    for path in job.outputs["tex"]:
        files.write_text(path, latex.latex_table(path.stem, tables[path.stem], words, said))
    for path in job.outputs["figures"]:
        files.write_bytes(path, rendered(drawn[path.stem][0], "pdf"))
    figures = {path.stem: said[path.stem] for path in job.outputs["figures"]}
    names = [path.stem for path in job.outputs["tex"]]
    files.write_text(job.output("document"), latex.document(names, figures, config["title"]))


if __name__ == "__main__":
    inputs = ["tables", "curves", "pretrain", "languages", "captions"]
    run_job(work, inputs=inputs, outputs=["document", "tex", "figures"])
