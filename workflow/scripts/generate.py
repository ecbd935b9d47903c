"""Continues the same prompts by each model."""

from pathlib import Path

from carryover.data import tokenizer
from carryover.evaluation.generation import Sampling
from carryover.evaluation.texts import as_chat, continue_texts
from carryover.runtime import files, parts
from carryover.runtime.devices import choose_device
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config, texts = job.config, []
    device = choose_device(job.gpu, config["threads"])
    sampling = Sampling(config["temperature"], config["top_k"], config["top_p"])
    directories: list[Path] = list(dict.fromkeys(path.parent for path in job.inputs["models"]))
    modules = parts.load(config["parts"])
    for name, implementation, directory in zip(config["models"], config["implementations"], directories, strict=True):
        model = modules[f"models.{implementation}"].load(directory).to(device)
        made = tokenizer.load(directory / "tokenizer.json")
        asked = as_chat(directory, config["prompts"]) if config["chat"] else config["prompts"]
        begin = [] if config["chat"] else tokenizer.beginning(made)  # a chat template writes what begins a text itself
        prompts = [[*begin, *made.encode(prompt, add_special_tokens=False).ids] for prompt in asked]
        written = continue_texts(model, made, prompts, config["max_new_tokens"], sampling, config["seed"], config["stop"])
        for prompt, (text, _, stopped_by) in zip(config["prompts"], written, strict=True):
            row = {"prompt": prompt, "model": name, "continuation": text, "stopped_by": stopped_by}
            texts.append({**row, "chosen": str(sampling)})
    files.write_json(job.output("texts"), texts)


if __name__ == "__main__":
    run_job(work)
