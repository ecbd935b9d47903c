"""What a configuration asks for: the runs, the languages of each, and where their files lie.

Pure functions of the resolved config; the rules wire files from them, and nothing here is imported by a script.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from carryover.planning.config import recipe_of

Config = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One model that is trained, or, with method `none`, one that is evaluated as it is."""

    backbone: str
    method: str
    variant: str
    train: str
    seed: int
    view: str
    languages: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its place under `models/` and `predictions/`."""
        return f"{self.backbone}/{self.method}/{self.variant}/{self.train}/seed{self.seed}"


def members(config: Config, train: str) -> list[str]:
    """The languages that a `train` name stands for: a named list's, or the language itself."""
    return config["finetune"]["sets"].get(train, [train])


def trained_runs(config: Config) -> list[Run]:
    """The runs of `finetune.runs` for which there is training text, one for each seed."""
    available = set(config["corpus"]["train_languages"])
    runs = []
    for entry in config["finetune"]["runs"]:
        languages = tuple(language for language in members(config, entry["train"]) if language in available)
        view = recipe_of(config, entry["variant"])["view"]
        for seed in entry["seeds"] if languages else ():
            runs.append(Run(config["finetune"]["backbone"], "full", entry["variant"], entry["train"], seed, view, languages))
    return list(dict.fromkeys(runs))


def without_training_text(config: Config) -> list[str]:
    """Languages that the runs ask to train and that this source has no training text for."""
    asked = {language for entry in config["finetune"]["runs"] for language in members(config, entry["train"])}
    return sorted(asked - set(config["corpus"]["train_languages"]))


def evaluated_runs(config: Config) -> list[Run]:
    """Every model that predicts: the trained ones, and those that are evaluated as they are."""
    as_they_are = [Run(name, "none", "none", "none", 0, "full", ()) for name in config["predict"]["as_they_are"]]
    return [*trained_runs(config), *as_they_are]


def primary_english(config: Config) -> list[Run]:
    """The English runs of the primary variant; none where it sees hypotheses alone, since such a run is asked English only."""
    variant = config["finetune"]["primary_variant"]
    return [run for run in trained_runs(config) if (run.train, run.variant, run.view) == ("en", variant, "full")]


def predictions(config: Config) -> dict[tuple[str, str], list[str]]:
    """The languages that each (run path, view) is asked.

    A run that sees whole examples is asked every language; the controls (a run that sees hypotheses alone, and the primary
    English models with premises shuffled) are asked the languages that the run was trained on.
    """
    asked = {}
    for run in evaluated_runs(config):
        asked[run.path, run.view] = config["languages"] if run.view == "full" else list(run.languages)
    for run in primary_english(config) if config["predict"]["shuffled"] else ():
        asked[run.path, "shuffled"] = list(run.languages)
    return asked


def pattern(paths: Iterable[str]) -> str:
    """A regular expression that matches these paths, all of one depth, whose parts `/` separates, and no other.

    Beginnings with the same endings are written once: the 1,500 runs of 20 variants, 15 languages and 5 seeds take 250
    characters and not 34,000, which Snakemake would search for every file.
    """
    endings = defaultdict(set)
    for path in paths:
        first, _, rest = path.partition("/")
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
    used = {config["finetune"]["backbone"], *config["predict"]["as_they_are"], *config["generate"]["models"]}
    return [name for name in config["models"] if name in used]


def files_in_use(config: Config) -> list[str]:
    """The names of `fetch.files` that this study needs."""
    names = [config["corpus"]["evaluation"], config["corpus"]["training"]]
    tokenizer = config["tokenizer"]
    names += [tokenizer["vocab"], tokenizer["merges"]] if tokenizer["source"] == "files" else [tokenizer["text"]]
    for model in (config["models"][name] for name in models_in_use(config)):
        names += {"pretrain": [config["pretrain"]["text"]], "fetch": [model.get("config"), model.get("weights")]}.get(
            model["source"], []
        )
    return list(dict.fromkeys(names))


def tokenised(config: Config) -> list[tuple[str, str, tuple[str, ...]]]:
    """The (view, language, splits) that are tokenised: training text where a run reads it, dev and test where one is asked."""
    train = {(run.view, language): ("train",) for run in trained_runs(config) for language in run.languages}
    asked = {(view, language): ("dev", "test") for (_, view), theirs in predictions(config).items() for language in theirs}
    shown = {("full", language): ("dev", "test") for language in config["languages"]}  # the table of data counts all of them
    dev = dict.fromkeys(train, ("dev", "test"))  # a run is held against dev
    return sorted((*place, splits) for some in (train, {**asked, **shown, **dev}) for place, splits in some.items())
