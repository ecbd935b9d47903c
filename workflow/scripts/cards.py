"""Model cards of trained models, from their records and from what they answered."""

from carryover.analysis.predictions import read_cells
from carryover.analysis.records import read_csv, read_json
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import run_of
from carryover.reporting.cards import Trained, card
from carryover.reporting.formatting import Words
from carryover.reporting.phrases import rounded
from carryover.runtime import files, parts
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, modules = job.config, parts.load(job.config["parts"])
    known = read_csv(job.input("languages"))
    words = Words(dict(zip(known["language"], known["name"], strict=True)), 1, config["confidence"], "", config["terms"])
    settings = Settings(config["confidence"], config["resamples"], config["seed"])
    metrics = {task: {name: modules[f"metrics.{name}"] for name in names} for task, names in config["metrics"].items()}
    labels = {task: tuple(names) for task, names in config["labels"].items()}
    cells = read_cells(job.inputs["predictions"], config["languages"], labels)
    adapters = {path.parent: read_json(path)["peft_type"] for path in job.inputs["adapters"]}
    stated = {path.parent.name: read_json(path)["facts"].get("gguf", {}) for path in job.inputs["models"]}
    for place, target in enumerate(job.outputs["cards"]):
        system, seed = run_of(target)
        told = stated.get(system.model, {})
        from_file = {"license": told.get("license"), "rounded": rounded(told.get("quantised", {}))}
        trained = Trained(
            system=system,
            seed=seed,
            record=read_json(job.inputs["training"][place]),
            base={"hub": config["hub"][system.model], **from_file},
            adapter=adapters.get(target.parent),
            **{name: config["tasks"][system.task][name] for name in ("prompt", "training", "test")},
            study=config["study"],
            commit=read_json(job.inputs["made"][place])["git_commit"],
        )
        own = [
            cell.one_seed(cell.seeds.index(seed))
            for (other, asked), cell in cells.items()
            if other == system and asked.task == system.task and seed in cell.seeds
        ]
        files.write_text(target, card(trained, own, metrics, settings, words))


if __name__ == "__main__":
    run_job(work)
