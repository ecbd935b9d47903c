"""Every figure of the study as SVG, and the rows that it shows as CSV."""

import pandas as pd

from carryover import evidence, figures, files
from carryover.drawing import Look, rendered
from carryover.job import Job, run_job


def work(job: Job) -> None:
    tables = {path.stem: evidence.read_csv(path) for path in job.inputs["tables"]}
    look = Look(evidence.read_csv(job.input("languages")), **job.config)
    backbones = [evidence.read_csv(path).assign(backbone=path.parent.name) for path in job.inputs["pretrain"]]
    pretraining = pd.concat(backbones, ignore_index=True) if backbones else pd.DataFrame(columns=["backbone", "step", "loss"])
    tokeniser = [tables[name] for name in ("zero_shot", "fertility", "correlation")]
    drawn = {
        "regimes": figures.regimes(tables["regimes"], look),
        "zero_shot": figures.zero_shot(tables["zero_shot"], look),
        "premium": figures.against("token_premium", "token premium over English")(*tokeniser, look),
        "fertility": figures.against("tokens_per_word", "tokens per whitespace word")(*tokeniser, look),
        "pretraining": figures.pretraining(pretraining, look),
        "finetuning": figures.finetuning(evidence.read_curves(job.inputs["curves"]), look),
        "transfer_matrix": figures.transfer_matrix(tables["transfer_matrix"], look),
        "confusion": figures.confusion(tables["confusion"], look),
    }
    for path in job.outputs["figures"]:
        files.write_bytes(path, rendered(drawn[path.stem][0], "svg"))
    for path in job.outputs["data"]:
        files.write_text(path, drawn[path.stem][1].to_csv(index=False, float_format="%.6g", lineterminator="\n"))


if __name__ == "__main__":
    run_job(work, inputs=["tables", "curves", "pretrain", "languages"], outputs=["figures", "data"])
