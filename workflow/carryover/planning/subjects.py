"""Which models are looked into: each as it is, at random weights, and as fine-tuned on the source language.

Pure functions of the resolved config, for the rules of the chapter on interpretability; nothing here is imported by a script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carryover.planning import paths, runs
from carryover.planning.paths import System
from carryover.runtime.errors import BadInput

Config = dict[str, Any]
TASK = "nli"


@dataclass(frozen=True)
class Subject:
    """A model that is looked into. run: the trained run that it is, None for a model as it is; random: at random weights."""

    model: str
    run: str | None = None
    random: bool = False

    @property
    def name(self) -> str:
        """Its name, of the form of a run's."""
        if self.random:
            return paths.run_name(System(self.model, paths.NOTHING, paths.NOTHING, paths.RANDOM, paths.NOTHING), 0)
        return self.run or paths.run_name(paths.as_it_is(self.model), 0)


def subjects(config: Config) -> list[Subject]:
    """The subjects of a study, in the order of its models.

    Raises BadInput for a model that nothing else of the study uses, and for a task without premises, which are what models read.
    """
    found, used = [], runs.models_in_use(config)
    if (task := config["finetune"]["task"]) != TASK:
        raise BadInput(f"config: interpretability: it reads the premises of {TASK}, and finetune.task is {task}")
    for model in config["interpretability"]["models"]:
        if model not in used:
            raise BadInput(
                f"config: interpretability.models: nothing in this study uses {model}; name it in predict.as_they_are or in a run"
            )
        found += [Subject(model), Subject(model, random=True)]
        if (run := source_run(config, model)) is not None:
            found.append(Subject(model, run=run))
    return found


def source_run(config: Config, model: str) -> str | None:
    """The run of a model on the source language: of the primary variant and the lowest seed; None where there is none."""
    found = runs.source_runs(config, model)
    return min(found, key=lambda run: run.seed).name if found else None


def ablated(config: Config) -> list[str]:
    """The languages whose neurons are taken out. Raises BadInput for one that is not looked at."""
    looked_at, chosen = languages(config), config["interpretability"]["neurons"]["languages"]
    if chosen is None:
        return looked_at[1:5]
    if unread := [language for language in chosen if language not in looked_at[1:]]:
        raise BadInput(f"config: interpretability.neurons.languages: {unread[0]} is the source language, or not in languages")
    return list(chosen)


def languages(config: Config) -> list[str]:
    """The languages that are looked at, the source language among them and first."""
    source, listed = config["source_language"], config["interpretability"]["languages"]
    chosen = config["languages"] if listed is None else listed
    return [source, *(language for language in chosen if language != source)]
