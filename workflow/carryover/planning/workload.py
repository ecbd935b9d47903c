"""What the jobs of a study have to do, as far as the config says: the models, the languages, the passes, nothing measured.

Pure functions of the resolved config, for the rule that estimates costs; nothing here is imported by a script.
"""

from __future__ import annotations

from typing import Any

from carryover.planning import runs
from carryover.planning.config import recipe_of
from carryover.planning.origins import built_here
from carryover.planning.paths import job_of_likelihoods, job_of_predictions, job_of_run, system_of
from carryover.planning.schema import chapters_in_use

Config = dict[str, Any]
Job = dict[str, Any]
SPLITS = ("dev", "test")


def workload(config: Config) -> dict[str, Any]:
    """All that the costs of a study depend on: its jobs, its models, and the sizes that the config states.

    A job has its name (its place in the study's folder, as in jobs.csv), its stage, and the kind of work.
    """
    return {
        "jobs": [*_preparing(config), *_training(config), *_scoring(config), *_gathering(config)],
        "models": {name: _described(config, name) for name in runs.models_in_use(config)},
        "vocabularies": _vocabularies(config),
        "rows": {task: _rows(config["tasks"][task]) for task in runs.tasks_in_use(config)},
    }


def _vocabularies(config: Config) -> dict[str, int]:
    """The entries of the tokenisers that are trained here."""
    trained = {name: made for name, made in config["tokenizers"].items() if made["source"] == "train"}
    return {name: made["vocabulary"] for name, made in trained.items()}


def _described(config: Config, name: str) -> dict[str, Any]:
    """What the config says of a model: its tokeniser, and of one that is pretrained here what its `config.json` will say."""
    described: dict[str, Any] = {"tokenizer": runs.tokenizer_of(config, name), "config": None}
    if config["models"][name]["source"] == "pretrain":
        shape = {"width": "n_embd", "layers": "n_layer", "heads": "n_head", "feed_forward": "n_inner", "positions": "n_positions"}
        described["config"] = {"model_type": "gpt2", **{theirs: config["pretrain"][ours] for ours, theirs in shape.items()}}
    return described


def _rows(task: Config) -> dict[str, int | float | None]:
    """Rows of a language and split: a count, a fraction of what the file has, or None where that is not known."""
    subset, expected = task["subset"], task["expected_rows"]
    train = expected["train"]
    if isinstance(subset, int):
        train = subset if train is None else min(subset, train)
    else:
        train = subset if train is None else max(1, int(train * subset))
    drawn = task.get("evaluation_rows", {})
    return {"train": train, **{split: drawn.get(split) or expected[split] for split in SPLITS}}


def _preparing(config: Config) -> list[Job]:
    jobs: list[Job] = []
    if any(map(built_here, config["fetch"]["files"].values())):
        jobs.append({"job": "mini", "work": "build"})
    for name in runs.tokenizers_in_use(config):
        if name in config["tokenizers"]:
            jobs.append({"job": f"tokenizers/{name}", "work": "tokenizer"})
    for task in runs.tasks_in_use(config):
        read: list[tuple[str, str, tuple[str, ...]]] = [(language, "evaluation", SPLITS) for language in config["languages"]]
        read += [(language, "training", runs.TRAINING) for language in runs.languages_with_training_text(config, task)]
        for language, half, splits in read:
            name = f"corpus/{task}/{language}.{half}"
            jobs.append({"job": name, "work": "corpus", "task": task, "splits": splits, "languages": [language]})
    for tokenizer, task, view, language, splits in runs.tokenised(config):
        name = f"tokens/{tokenizer}/{task}/{view}/{language}.{'training' if splits == runs.TRAINING else 'evaluation'}"
        given = {"tokenizer": tokenizer, "task": task, "view": view, "splits": splits, "languages": [language]}
        jobs.append({"job": name, "work": "tokenise", **given})
    main = config["finetune"]["task"]
    return [*jobs, *({"job": f"fertility/{name}/{main}", "work": "fertility"} for name in runs.tokenizers_in_use(config))]


def _training(config: Config) -> list[Job]:
    jobs: list[Job] = []
    for name in runs.models_in_use(config):
        if config["models"][name]["source"] == "pretrain":
            given = {part: config["pretrain"][part] for part in ("line_length", "held_out")}
            given |= _passes(config["pretrain"]["recipe"])
            jobs.append({"job": f"pretrained/{name}", "work": "pretrain", "model": name, **given})
        else:
            jobs.append({"job": f"pretrained/{name}", "work": "convert", "model": name})
        jobs.append({"job": f"parity/{name}", "work": "parity", "model": name})
    for run in runs.trained_runs(config):
        given = {"model": run.system.model, "task": run.system.task, "languages": run.languages, "view": run.view}
        recipe = recipe_of(config, run.system.variant)
        given |= {**_passes(recipe), "micro_batch_size": recipe["micro_batch_size"], "method": recipe["method"]}
        jobs.append({"job": job_of_run(run.name), "work": "finetune", **given})
    return jobs


def _passes(recipe: dict[str, Any]) -> dict[str, Any]:
    return {name: recipe[name] for name in ("batch_size", "epochs", "max_updates", "precision")}


def _scoring(config: Config) -> list[Job]:
    generated = {"models": config["generate"]["models"], "prompts": len(config["generate"]["prompts"])}
    generated["max_new_tokens"] = config["generate"]["max_new_tokens"]
    models = {run.name: run.system.model for run in runs.evaluated_runs(config)}
    precision = config["predict"]["precision"]
    return [
        {"job": "generate", "work": "generate", **generated},
        *(
            {"job": job_of_predictions(run, task, view), "work": "predict", "model": models[run], "precision": precision}
            | {"languages": languages, "task": task, "view": view}
            for (run, task, view), languages in runs.predictions(config).items()
        ),
        *(
            {"job": job_of_likelihoods(run), "work": "likelihood", "model": system_of(run)[0].model, "languages": languages}
            | {"task": config["finetune"]["task"], **{name: config["likelihood"][name] for name in ("rows", "precision")}}
            for run, languages in runs.likelihoods(config).items()
        ),
    ]


def _gathering(config: Config) -> list[Job]:
    tables = [f"{chapter}/tables" for chapter in chapters_in_use(config)]
    names = ["select"] if runs.primary_source_runs(config) else []
    return [{"job": name, "work": name} for name in ("plan", *names, *tables, "figures")]
