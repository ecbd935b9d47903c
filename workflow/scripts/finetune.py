"""Fine-tunes one model on one or more languages; keeps the best epoch on dev."""

import pandas as pd
import torch

from carryover.data import tokenizer
from carryover.runtime import files, parts
from carryover.runtime.devices import check_precision
from carryover.runtime.job import Job, peak_memory_mb, run_job
from carryover.training import distributed
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune, split_recipe, training_facts


def work(job: Job) -> None:
    config, part = job.config, parts.load(job.config["parts"])
    source, directory = job.inputs["model"][0].parent, job.outputs["model"][0].parent
    recipe, dropout, options = split_recipe(config["recipe"])
    device = distributed.own_device(job.gpu, config["threads"])
    check_precision(recipe.precision, device)
    answer, method = part["answers"], part["methods"]
    data = answer.load(job.inputs["train"])
    dev = {language: answer.load([path]) for language, path in zip(config["languages"], job.inputs["dev"], strict=True)}
    torch.manual_seed(config["seed"])  # of what a method or an answer puts in
    model = part["models"].load(source, dropout=dropout)
    method.apply(model, options)
    trained = answer.prepare(model, data, config["seed"]).to(device)
    checkpoints = Checkpoints(job.resume_directory())
    history = finetune(trained, answer, data, dev, recipe, config["seed"], checkpoints, distributed.train)
    if not distributed.is_first():
        return
    method.save(model, directory)
    answer.save(trained, directory)
    tokenizer.copy_tokenizer(job.inputs["model"], directory)
    files.write_text(job.output("curve"), pd.DataFrame(history.curve).to_csv(index=False))
    reached = [
        {"epoch": entry["epoch"], "language": language, answer.CRITERION: value, "n": len(dev[language])}
        for entry in history.epochs
        for language, value in entry["dev"].items()
    ]
    files.write_text(job.output("epochs"), pd.DataFrame(reached).to_csv(index=False))
    facts = {
        "languages": config["languages"],
        "recipe": config["recipe"],
        **training_facts(trained, data, recipe, config["seed"], history),
        "model_bytes": sum(path.stat().st_size for path in job.outputs["model"] if path.suffix == ".safetensors"),
        "peak_memory_mb": round(peak_memory_mb()),
        "device": str(device),
    }
    files.write_json(job.output("facts"), facts)
    checkpoints.clear()


if __name__ == "__main__":
    run_job(distributed.on_several(work))
