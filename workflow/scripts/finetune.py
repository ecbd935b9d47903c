"""Fine-tunes one model on one or more languages; keeps the best epoch on dev."""

import pandas as pd

from carryover.answers import choice
from carryover.data import tokenizer
from carryover.models.gpt2 import GPT2Model
from carryover.runtime import files
from carryover.runtime.job import Job, peak_memory_mb, run_job
from carryover.training import distributed
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune
from carryover.training.loop import Recipe, epoch_order


def work(job: Job) -> None:
    config, settings = job.config, dict(job.config["recipe"])
    source, directory = job.inputs["model"][0].parent, job.outputs["model"][0].parent
    device = distributed.own_device(job.gpu, config["threads"])
    settings.pop("view")
    model = GPT2Model.from_pretrained(source, dropout=settings.pop("dropout")).to(device)
    data = choice.load(job.inputs["train"])
    dev = {language: choice.load([path]) for language, path in zip(config["languages"], job.inputs["dev"], strict=True)}
    recipe, checkpoints = Recipe(**settings), Checkpoints(job.resume_directory())
    history = finetune(model, choice, data, dev, recipe, config["seed"], checkpoints, distributed.train)
    if not distributed.is_first():
        return
    model.save_pretrained(directory)
    tokenizer.copy_beside(job.inputs["model"], directory)
    files.write_text(job.output("curve"), pd.DataFrame(history.curve).to_csv(index=False))
    accuracies = [
        {"epoch": entry["epoch"], "language": language, "accuracy": accuracy, "n": len(dev[language])}
        for entry in history.epochs
        for language, accuracy in entry["dev"].items()
    ]
    files.write_text(job.output("epochs"), pd.DataFrame(accuracies).to_csv(index=False))
    examples = history.curve[-1]["examples"]
    epochs, rest = divmod(examples, len(data))  # a limit on the updates can cut the last epoch
    last = epoch_order(len(data), config["seed"], epochs, recipe, data.lengths)
    tokens = epochs * data.lengths.sum() + data.lengths[last[:rest]].sum()
    facts = {
        "languages": config["languages"],
        "recipe": config["recipe"],
        "rows": len(data),
        "examples": examples,
        "updates": history.curve[-1]["step"],
        "tokens": int(tokens),
        "train_loss": history.train_loss,
        "best_epoch": history.best_epoch,
        "dev_accuracy": history.epochs[history.best_epoch - 1]["criterion"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "model_bytes": (directory / "model.safetensors").stat().st_size,
        "peak_memory_mb": round(peak_memory_mb()),
        "seconds": round(history.seconds, 1),
        "device": str(device),
    }
    files.write_json(job.output("facts"), facts)
    checkpoints.clear()


if __name__ == "__main__":
    run_job(distributed.on_several(work))
