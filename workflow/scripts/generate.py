"""Continues the same prompts by each model."""

from pathlib import Path

from carryover.data import tokenizer
from carryover.evaluation.generation import Sampling, generate
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
        prompts = [made.encode(prompt, add_special_tokens=False).ids for prompt in config["prompts"]]
        continuations = generate(model, prompts, config["max_new_tokens"], sampling, config["seed"])
        for prompt, (new, stopped_by) in zip(config["prompts"], continuations, strict=True):
            text = {"prompt": prompt, "model": name, "continuation": made.decode(new), "stopped_by": stopped_by}
            texts.append({**text, "chosen": str(sampling)})
    files.write_json(job.output("texts"), texts)


if __name__ == "__main__":
    run_job(work)
