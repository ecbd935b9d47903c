"""Continues the same prompts by each model."""

from pathlib import Path

from carryover import files, tokenizer
from carryover.devices import choose_device
from carryover.generation import generate_gpt2
from carryover.gpt2 import GPT2Model
from carryover.job import Job, run_job


def work(job: Job) -> None:
    device, texts = choose_device(job.gpu, job.config["threads"]), []
    directories: list[Path] = list(dict.fromkeys(path.parent for path in job.inputs["models"]))
    for name, directory in zip(job.config["models"], directories, strict=True):
        model = GPT2Model.from_pretrained(directory).to(device)
        made = tokenizer.load(directory / "tokenizer.json")
        for prompt in job.config["prompts"]:
            ids = made.encode(prompt, add_special_tokens=False).ids
            new, stopped_by = generate_gpt2(model, ids, job.config["max_new_tokens"])
            texts.append({"prompt": prompt, "model": name, "continuation": made.decode(new), "stopped_by": stopped_by})
    files.write_json(job.output("texts"), texts)


if __name__ == "__main__":
    run_job(work, inputs=["models"], outputs=["texts"])
