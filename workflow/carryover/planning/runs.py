"""What a configuration asks for: the runs, the languages of each, what they are asked, and the files that they need.

Pure functions of the resolved config; the rules wire files from them, and nothing here is imported by a script.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from carryover.planning import paths
from carryover.planning.config import recipe_of
from carryover.planning.origins import brings_tokenizer, files_of_model
from carryover.planning.paths import System
from carryover.planning.references import nearest
from carryover.runtime.errors import BadInput

Config = dict[str, Any]
LIBRARY = Path(__file__).resolve().parents[1]
EVERY = "all"  # the list of all languages with training text: a built-in name for what a run is trained on
EVALUATION, TRAINING = ("dev", "test"), ("train",)


@dataclass(frozen=True)
class Run:
    """One trained system and its seed, or a model as it is; `languages` are those of its training text, `asked` those that it is
    asked, None for all."""

    system: System
    seed: int
    view: str
    languages: tuple[str, ...]
    asked: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return paths.run_name(self.system, self.seed)


def languages_with_training_text(config: Config, task: str) -> list[str]:
    """The languages that a task can be trained on, in the order of the config."""
    available = config["tasks"][task]["train_languages"]
    return list(config["languages"] if available is None else available)


def members(config: Config, task: str, train: str) -> list[str]:
    """The languages that a `train` name stands for: a named list's, the language itself, or all with training text."""
    if train == EVERY:
        return languages_with_training_text(config, task)
    return config["finetune"]["sets"].get(train, [train])


def trained_runs(config: Config) -> list[Run]:
    """The runs of `finetune.runs` for which there is training text, one for each seed."""
    runs: dict[tuple[System, int], Run] = {}
    for entry in config["finetune"]["runs"]:
        task, model = entry["task"] or config["finetune"]["task"], entry["model"] or config["finetune"]["model"]
        available = set(languages_with_training_text(config, task))
        languages = tuple(language for language in members(config, task, entry["train"]) if language in available)
        recipe = recipe_of(config, entry["variant"])
        system = System(model, task, recipe["method"], entry["variant"], entry["train"])
        for seed in entry["seeds"] if languages else ():
            wanted = [entry.get("asked"), *([runs[system, seed].asked] if (system, seed) in runs else [])]
            asked = None if None in wanted else tuple(dict.fromkeys(name for names in wanted for name in names))
            runs[system, seed] = Run(system, seed, recipe["view"], languages, asked)
    return list(runs.values())


def without_training_text(config: Config) -> list[str]:
    """Languages that the runs ask to train and for which the source of their task has no training text."""
    lacking = set()
    for entry in config["finetune"]["runs"]:
        task = entry["task"] or config["finetune"]["task"]
        lacking |= set(members(config, task, entry["train"])) - set(languages_with_training_text(config, task))
    return sorted(lacking)


def as_it_is(model: str) -> Run:
    """A model that is asked without being fine-tuned."""
    return Run(paths.as_it_is(model), 0, "full", ())


def evaluated_runs(config: Config) -> list[Run]:
    """Every model that predicts: the trained ones, and those that are evaluated as they are."""
    return [*trained_runs(config), *map(as_it_is, config["predict"]["as_they_are"])]


def asked_runs(config: Config) -> list[Run]:
    """Every model that is asked anything: those that predict, and those of which it is asked how likely they find text."""
    return list(dict.fromkeys([*evaluated_runs(config), *map(as_it_is, config["likelihood"]["models"]), *_starts(config)]))


def _starts(config: Config) -> list[Run]:
    """The models, as they are, that runs start from whose forgetting is measured."""
    variants = config["likelihood"]["variants"]
    starts = (run.system.model for run in trained_runs(config) if run.system.variant in variants)
    return [as_it_is(name) for name in dict.fromkeys(starts)]


def primary_source_runs(config: Config) -> list[Run]:
    """The runs of the primary variant on the source language and the main task that are asked every language; none where it sees
    hypotheses alone, since such a run is asked its own language only."""
    return [run for run in source_runs(config, config["finetune"]["model"]) if run.asked is None]


def source_runs(config: Config, model: str) -> list[Run]:
    """The runs of a model, of the primary variant, on the source language and the main task; none where it sees hypotheses
    alone."""
    finetune = config["finetune"]
    wanted = (model, finetune["task"], finetune["primary_variant"], config["source_language"], "full")
    return [
        run
        for run in trained_runs(config)
        if (run.system.model, run.system.task, run.system.variant, run.system.train, run.view) == wanted
    ]


def predictions(config: Config) -> dict[tuple[str, str, str], list[str]]:
    """The languages that each (run, task, view) is asked.

    A run that sees whole examples is asked its task in every language, or in those that its entry names; one that sees hypotheses
    alone the languages that it was trained on. The primary runs on the source language are also asked that language with premises
    shuffled, and the languages of `predict.scripts` in another script. A model as it is is asked the main task.
    """
    asked = {}
    for run in evaluated_runs(config):
        task = config["finetune"]["task"] if run.system.task == paths.NOTHING else run.system.task
        whole = config["languages"] if run.asked is None else [name for name in config["languages"] if name in run.asked]
        asked[run.name, task, run.view] = whole if run.view == "full" else list(run.languages)
    main, controls = config["finetune"]["task"], dict[str, list[str]]()
    if config["predict"]["shuffled"] and "shuffled" in views_of(main):
        controls["shuffled"] = [config["source_language"]]
    for script, languages in config["predict"]["scripts"].items():
        if languages and script not in views_of(main):
            raise BadInput(f"config: predict.scripts.{script}: the task {main} has no texts in another script; leave it empty")
        controls |= {script: [language for language in config["languages"] if language in languages]} if languages else {}
    for run in primary_source_runs(config):
        asked |= {(run.name, main, view): languages for view, languages in controls.items()}
    return asked


def likelihoods(config: Config) -> dict[str, list[str]]:
    """The languages in which it is asked how likely a run, or a model as it is, finds text, by the run's name.

    Models as they are in every language (exposure); runs of the named variants in the source language, and so the models that
    they start from (forgetting).
    """
    section = config["likelihood"]
    asked = {paths.run_name(paths.as_it_is(name), 0): list(config["languages"]) for name in section["models"]}
    tuned = [run for run in trained_runs(config) if run.system.variant in section["variants"]]
    for run in [*_starts(config), *tuned]:
        asked.setdefault(run.name, [config["source_language"]])
    return asked


def pattern(names: Iterable[str]) -> str:
    """A regular expression that matches these paths, all of one depth, whose parts `/` separates, and no other.

    Beginnings with the same endings are written once: the 1,500 runs of 20 variants, 15 languages and 5 seeds take 250
    characters and not 34,000, which Snakemake would search for every file.
    """
    endings = defaultdict(set)
    for name in names:
        first, _, rest = name.partition("/")
        endings[first].add(rest)
    beginnings = defaultdict(list)
    for first in sorted(endings):
        beginnings[frozenset(endings[first])].append(re.escape(first))
    found = [_one_of(firsts) + ("/" + pattern(rests) if rests != {""} else "") for rests, firsts in beginnings.items()]
    return _one_of(found) if found else "(?!)"


def _one_of(patterns: list[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def models_in_use(config: Config) -> list[str]:
    """The names of `models` that this study touches, in the order of the config."""
    used = {run.system.model for run in evaluated_runs(config)}
    used |= {*config["generate"]["models"], *config["likelihood"]["models"], config["finetune"]["model"]}
    return [name for name in config["models"] if name in used]


def tasks_in_use(config: Config) -> list[str]:
    """The names of `tasks` that this study touches, the main one first."""
    return list(dict.fromkeys([config["finetune"]["task"], *(run.system.task for run in trained_runs(config))]))


def answer_of(task: str) -> str:
    """How a task is answered, a module of `carryover.answers`: what the task's module says."""
    return _constant(f"tasks/{task}.py", "ANSWER")


def views_of(task: str) -> list[str]:
    """The views of a task: what of its rows can be shown, and how."""
    return list(_constant(f"tasks/{task}.py", "VIEWS"))


def labels_of(task: str) -> list[str]:
    """The names of the candidates of a task whose answer is a choice, in their order; none of another."""
    return list(_constant(f"tasks/{task}.py", "LABELS")) if answer_of(task) == "choice" else []


def answer_files(task: str) -> list[str]:
    """The names of the files that a trained answer adds to a model's directory: what the answer's module says."""
    return list(_constant(f"answers/{answer_of(task)}.py", "FILES"))


def text_of(task: str) -> str:
    """The column of a task's rows that is taken for text of its language: the first field of its module."""
    return str(_constant(f"tasks/{task}.py", "FIELDS")[0])


def metrics_of(config: Config, task: str) -> list[str]:
    """The metrics of a task, modules of `carryover.metrics`: those of its module that have a meaning under its options."""
    options = config["tasks"][task]
    named = _constant(f"tasks/{task}.py", "METRICS")
    return [name for name, needed in named.items() if needed.items() <= options.items()]


@cache  # asked several times for each of thousands of jobs
def _constant(module: str, name: str) -> Any:
    """A constant of a module of the library, read from its source: the modules themselves import PyTorch."""
    for node in ast.parse((LIBRARY / module).read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if (
            isinstance(node, ast.Assign | ast.AnnAssign)
            and node.value
            and name in [getattr(target, "id", "") for target in targets]
        ):
            return ast.literal_eval(node.value)
    raise BadInput(f"workflow/carryover/{module}: says nothing of {name}")


def source_names(config: Config, task: str, language: str, splits: Iterable[str]) -> list[str]:
    """The names in `fetch.files` for these splits of a language: one for all of them, or one each, in their order.

    A task's `training` names the source of the split `train`, `evaluation` that of the others; `{language}` and `{split}` in
    such a name stand for what is asked. Raises BadInput for a name that is not in `fetch.files`.
    """
    names = []
    for split in splits:
        key = "training" if split in TRAINING else "evaluation"
        name = config["tasks"][task][key].replace("{language}", language).replace("{split}", split)
        if name not in config["fetch"]["files"]:
            near = nearest(name, list(config["fetch"]["files"]))
            raise BadInput(f"config: tasks.{task}.{key}: no file {name!r} in fetch.files ({split} of {language}); {near}")
        names.append(name)
    return list(dict.fromkeys(names))


def check_columns(config: Config, task: str) -> None:
    """Holds rows of one's own to columns that tell languages and splits apart, where the names of their files do not.

    Raises BadInput where dev and test, or several languages, would be the same rows.
    """
    section = config["tasks"][task]
    for key, splits in (("evaluation", EVALUATION), ("training", TRAINING)) if "columns" in section else ():
        needed = {"language": len(config["languages"]), "split": len(splits)}
        for column, several in needed.items():
            names = source_names(config, task, config["languages"][0], splits)
            own = any(not config["fetch"]["files"][name]["path"].endswith(".zip") for name in names)
            if own and several > 1 and section["columns"][column] is None and f"{{{column}}}" not in section[key]:
                raise BadInput(
                    f"config: tasks.{task}.{key}: {section[key]} has rows of several {column}s: name the column that tells them "
                    f"apart in tasks.{task}.columns.{column}, or give a file each by {{{column}}} in the name"
                )


def tokenizer_of(config: Config, model: str) -> str:
    """The name of a model's tokeniser: the model's own name where a directory brings one."""
    return model if brings_tokenizer(config["models"][model]) else config["models"][model]["tokenizer"]


def hub_models(config: Config) -> list[Config]:
    """The entries of `models` that this study takes from a hub."""
    return [config["models"][name] for name in models_in_use(config) if config["models"][name]["source"] == "hub"]


def tokenizers_in_use(config: Config) -> list[str]:
    """The names of the tokenisers of the models in use, without repetition."""
    return list(dict.fromkeys(tokenizer_of(config, model) for model in models_in_use(config)))


def files_in_use(config: Config) -> list[str]:
    """The names of `fetch.files` that this study needs. Raises BadInput for one that is not there (`source_names`), and for rows
    of one's own that nothing tells apart (`check_columns`)."""
    names = []
    for task in tasks_in_use(config):
        check_columns(config, task)
        trained = languages_with_training_text(config, task)
        names += [name for language in config["languages"] for name in source_names(config, task, language, EVALUATION)]
        names += [name for language in trained for name in source_names(config, task, language, TRAINING)]
    for tokenizer in (config["tokenizers"][name] for name in tokenizers_in_use(config) if name in config["tokenizers"]):
        names += [tokenizer["vocab"], tokenizer["merges"]] if tokenizer["source"] == "files" else [tokenizer["text"]]
    for model in (config["models"][name] for name in models_in_use(config)):
        names += [config["pretrain"]["text"]] if model["source"] == "pretrain" else files_of_model(model)
    return list(dict.fromkeys(names))


Tokenised = tuple[str, str, str, str, tuple[str, ...]]  # tokeniser, task, view, language, splits


def tokenised(config: Config) -> list[Tokenised]:
    """What is tokenised: training text where a run reads it, dev and test where one is asked or held against it."""
    found: dict[Tokenised, None] = {}
    systems = {run.name: run.system for run in evaluated_runs(config)}
    for run in trained_runs(config):
        tokenizer = tokenizer_of(config, run.system.model)
        for language in run.languages:
            found[tokenizer, run.system.task, run.view, language, TRAINING] = None
            found[tokenizer, run.system.task, run.view, language, EVALUATION] = None  # a run is held against dev
    for (name, task, view), languages in predictions(config).items():
        tokenizer = tokenizer_of(config, systems[name].model)
        found |= {(tokenizer, task, view, language, EVALUATION): None for language in languages}
    main = tokenizer_of(config, config["finetune"]["model"]), config["finetune"]["task"], "full"
    found |= {(*main, language, EVALUATION): None for language in config["languages"]}  # the table of data counts all of them
    return sorted(found)


def pretraining_length(config: Config, tokenizer: str) -> int | None:
    """The longest line that a model pretrained here has read; None where a run starts from another model with this tokeniser."""
    models = {run.system.model for run in trained_runs(config)} or {config["finetune"]["model"]}
    sources = {config["models"][model]["source"] for model in models if tokenizer_of(config, model) == tokenizer}
    return config["pretrain"]["line_length"] if sources == {"pretrain"} else None
