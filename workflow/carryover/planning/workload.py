"""What the jobs of a study have to do, as far as the config says: the models, the languages, the passes, nothing measured.

Pure functions of the resolved config, for the rule that estimates costs; nothing here is imported by a script.
"""

from __future__ import annotations

from typing import Any

from carryover.planning import runs
from carryover.planning.config import recipe_of
from carryover.planning.schema import chapters_in_use

Config = dict[str, Any]
Task = dict[str, Any]
SPLITS = ("dev", "test")


def workload(config: Config) -> dict[str, Any]:
    """All that the costs of a study depend on: its tasks, its models' shapes, and the sizes that the config states.

    A task has the job's name (its place in the study's folder, as in jobs.csv), its stage, and the kind of work.
    """
    return {
        "tasks": [*_preparing(config), *_training(config), *_scoring(config), *_gathering(config)],
        "shapes": {name: _shape(config, name) for name in runs.models_in_use(config)},
        "vocabulary": config["tokenizer"]["vocabulary"] if config["tokenizer"]["source"] == "train" else None,
        "rows": {"train": _training_rows(config), **{split: config["corpus"]["expected_rows"][split] for split in SPLITS}},
    }


def _shape(config: Config, name: str) -> dict[str, int] | None:
    """The shape of a model that is pretrained here; None for one whose files say it."""
    if config["models"][name]["source"] != "pretrain":
        return None
    return {part: config["pretrain"][part] for part in ("width", "layers", "feed_forward", "positions")}


def _training_rows(config: Config) -> int | float | None:
    """Rows of a language's training text: a count, a fraction of what the archive has, or None for all of it."""
    subset, expected = config["corpus"]["subset"], config["corpus"]["expected_rows"]["train"]
    if isinstance(subset, int):
        return subset if expected is None else min(subset, expected)
    return subset if expected is None else max(1, int(expected * subset))


def _preparing(config: Config) -> list[Task]:
    tasks: list[Task] = []
    if any(file["url"].startswith("mini:") for file in config["fetch"]["files"].values()):
        tasks.append({"job": "mini", "work": "build"})
    tasks.append({"job": "tokenizer", "work": "tokenizer"})
    for language in config["languages"]:
        tasks.append({"job": f"corpus/{language}.evaluation", "work": "corpus", "splits": SPLITS, "languages": [language]})
    for language in config["corpus"]["train_languages"]:
        tasks.append({"job": f"corpus/{language}.training", "work": "corpus", "splits": ["train"], "languages": [language]})
    for view, language, splits in runs.tokenised(config):
        kind = "training" if splits == ("train",) else "evaluation"
        job = f"tokens/{view}/{language}.{kind}"
        tasks.append({"job": job, "work": "tokenise", "splits": splits, "languages": [language], "view": view})
    return [*tasks, {"job": "fertility", "work": "fertility"}]


def _training(config: Config) -> list[Task]:
    tasks: list[Task] = []
    for name in runs.models_in_use(config):
        if config["models"][name]["source"] == "pretrain":
            given = {part: config["pretrain"][part] for part in ("line_length", "held_out")}
            given |= _passes(config["pretrain"]["recipe"])
            tasks.append({"job": f"pretrain/{name}", "work": "pretrain", "model": name, **given})
        else:
            tasks.append({"job": f"backbones/{name}", "work": "convert", "model": name})
        tasks.append({"job": f"parity/{name}", "work": "parity", "model": name})
    for run in runs.trained_runs(config):
        given = {"model": run.backbone, "languages": run.languages, "view": run.view}
        given |= _passes(recipe_of(config, run.variant))
        tasks.append({"job": f"models/{run.path}", "work": "finetune", **given})
    return tasks


def _passes(recipe: dict[str, Any]) -> dict[str, Any]:
    return {name: recipe[name] for name in ("batch_size", "epochs", "max_updates", "precision")}


def _scoring(config: Config) -> list[Task]:
    generated = {"models": config["generate"]["models"], "prompts": len(config["generate"]["prompts"])}
    generated["max_new_tokens"] = config["generate"]["max_new_tokens"]
    backbones = {run.path: run.backbone for run in runs.evaluated_runs(config)}
    precision = config["predict"]["precision"]
    return [
        {"job": "generate", "work": "generate", **generated},
        *(
            {"job": f"predictions/{run}/{view}", "work": "predict", "model": backbones[run], "precision": precision}
            | {"languages": languages, "view": view}
            for (run, view), languages in runs.predictions(config).items()
        ),
    ]


def _gathering(config: Config) -> list[Task]:
    tables = [f"{chapter}/tables" for chapter in chapters_in_use(config)]
    names = ["select"] if runs.primary_english(config) else []
    return [{"job": name, "work": name} for name in ("plan", *names, *tables, "figures")]
