"""The tables of the chapter on transfer, from stored predictions, training records and what the stages before reported."""

from carryover.analysis import predictions, records
from carryover.analysis.likelihoods import read_likelihoods
from carryover.analysis.published import read_published
from carryover.reporting.chapter_tables import write_tables
from carryover.runtime import parts
from carryover.runtime.job import Job, run_job
from chapters.transfer.sources import Records, TransferStudy


def work(job: Job) -> None:
    config = job.config
    modules = parts.load(config["parts"])
    known = records.read_csv(job.input("languages"))
    labels = {task: tuple(names) for task, names in config["labels"].items()}
    named = ("corpus", "tokens", "parity", "proposal", "generations")
    read = {name: [records.read_json(path) for path in job.inputs[name]] for name in named}
    pretraining = {path.parent.name: records.read_json(path) for path in job.inputs["pretrain"]}
    curves = {path.parent.name: records.read_csv(path) for path in job.inputs["pretraining_curves"]}
    taken_over = {path.parent.name: records.read_json(path)["facts"] for path in job.inputs["taken_over"]}
    study = TransferStudy(
        cells=predictions.read_cells(job.inputs["predictions"], config["languages"], labels),
        training=records.read_training(job.inputs["training"]),
        fertility=records.read_fertility(job.inputs["fertility"]),
        published=read_published(job.inputs["published"]),
        config=config,
        records=Records(
            corpus=read["corpus"],
            tokens=read["tokens"],
            parity=read["parity"],
            proposal=next(iter(read["proposal"]), None),
            generations=[entry for entries in read["generations"] for entry in entries],
            pretraining=pretraining,
            pretraining_curves=curves,
            taken_over=taken_over,
            finetuning_curves=records.read_curves(job.inputs["curves"]),
        ),
        metrics={task: {name: modules[f"metrics.{name}"] for name in names} for task, names in config["metrics"].items()},
        scripts=dict(zip(known["language"], known["script"], strict=True)),
        likelihoods=read_likelihoods(job.inputs["likelihoods"], config["languages"]),
    )
    write_tables(job, study)


if __name__ == "__main__":
    run_job(work)
