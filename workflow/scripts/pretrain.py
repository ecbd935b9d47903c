"""Pretrains the toy model on lines of text."""

import pandas as pd
import torch

from carryover.data import tokenizer
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.runtime import files
from carryover.runtime.devices import check_precision, choose_device
from carryover.runtime.job import Job, run_job
from carryover.training import pretraining
from carryover.training.checkpoints import Checkpoints
from carryover.training.loop import Recipe


def work(job: Job) -> None:
    config, recipe = job.config, dict(job.config["recipe"])
    made = tokenizer.load(job.inputs["tokenizer"][0])
    device = choose_device(job.gpu, config["threads"])
    check_precision(recipe["precision"], device)
    data = pretraining.TextDataset.from_file(job.input("text"), made, config["line_length"])
    training, held_out = data.split(config["held_out"], config["seed"])
    torch.manual_seed(config["seed"])
    shape = GPT2Config(
        vocab_size=made.get_vocab_size(),
        n_positions=config["positions"],
        n_embd=config["width"],
        n_layer=config["layers"],
        n_head=config["heads"],
        n_inner=config["feed_forward"],
        dropout=recipe.pop("dropout"),
        eos_token_id=tokenizer.end_of_text(made),
    )
    model = GPT2Model(shape).to(device)
    checkpoints = Checkpoints(job.resume_directory())
    history, facts = pretraining.pretrain(model, training, held_out, Recipe(**recipe), config["seed"], checkpoints)
    directory = job.outputs["model"][0].parent
    model.save_pretrained(directory)
    tokenizer.copy_tokenizer(job.inputs["tokenizer"], directory)
    curve = pd.DataFrame(history.curve)
    ends = {entry["epoch"]: entry["validation_loss"] for entry in history.epochs}
    files.write_text(job.output("curve"), curve.assign(validation_loss=curve["epoch"].map(ends)).to_csv(index=False))
    facts |= {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "lines": len(training),
        "tokens": sum(len(line) for line in training.lines),
        "updates": history.curve[-1]["step"],
        "positions_seen": config["line_length"],
        "seconds": round(history.seconds, 1),
    }
    files.write_json(job.output("facts"), facts)
    checkpoints.clear()


if __name__ == "__main__":
    run_job(work)
