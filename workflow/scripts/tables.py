"""Every table of the study as a CSV file, from stored predictions, training records and what the stages before reported."""

from carryover.analysis import predictions, records
from carryover.analysis.published import read_published
from carryover.analysis.study import Study
from carryover.runtime import files
from carryover.runtime.job import Job, run_job
from chapters.transfer import comparisons, references, tables
from chapters.transfer.equal_effort import matched

FROM_STUDY = {
    **{name: getattr(tables, name) for name in ("accuracy", "seeds", "zero_shot", "fertility", "regimes")},
    **{name: getattr(tables, name) for name in ("transfer_matrix", "costs", "one_or_many")},
    **{name: getattr(comparisons, name) for name in ("hyperparameters", "differences", "controls")},
    **{name: getattr(comparisons, name) for name in ("confusion", "calibration", "correlation")},
    **{name: getattr(references, name) for name in ("per_language", "public_runs", "literature")},
    "matched": matched,
}


def work(job: Job) -> None:
    config = job.config
    study = Study(
        cells=predictions.read_cells(job.inputs["predictions"], config["languages"]),
        training=predictions.read_training(job.inputs["training"]),
        fertility=records.read_csv(job.input("fertility")),
        published=read_published(job.inputs["published"]),
        config=config,
    )
    made = {name: make(study) for name, make in FROM_STUDY.items()}
    read = {name: [records.read_json(path) for path in job.inputs[name]] for name in ("corpus", "tokens", "parity", "proposal")}
    made["data"] = tables.data(read["corpus"], read["tokens"], config["languages"])
    made["pretraining"] = tables.pretraining(
        {path.parent.name: records.read_json(path) for path in job.inputs["pretrain"]}, study
    )
    made["selection"] = tables.selection(read["proposal"][0] if read["proposal"] else None)
    made["parity"] = tables.parity(read["parity"])
    for path in job.outputs["tables"]:
        files.write_text(path, made[path.stem].to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    job.facts["rows"] = {path.stem: len(made[path.stem]) for path in job.outputs["tables"]}


if __name__ == "__main__":
    inputs = ["predictions", "training", "fertility", "published", "corpus", "tokens", "pretrain", "proposal", "parity"]
    run_job(work, inputs=inputs, outputs=["tables"])
