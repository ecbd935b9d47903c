"""All evidence of one study in one place, and which system stands for which regime.

Regimes: `zero-shot` is the system trained on the source language under the primary variant; `own model` one trained on the
language itself; a joint model one trained on a named list of languages. They are told apart by group: systems of one model and
one method, so that full fine-tuning and LoRA stand beside each other and neither hides the other. Where the primary variant was
not trained in some regime, the first variant by name stands in; tables name the system, so that this shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from carryover.analysis.predictions import Cell, Cells
from carryover.analysis.published import METHOD, MODEL, Published
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import NOTHING, EvaluationSet, System, as_it_is

ZERO_SHOT, OWN, JOINT = "zero-shot", "own model", "joint model"


class Group(NamedTuple):
    """Systems that differ in variant and training text alone; the method is `none` for a model that was only taken as it is."""

    model: str
    task: str
    method: str


@dataclass(frozen=True)
class Study:
    """cells: answers by system and evaluation set, of every task; training: the record of each run; fertility: its tables for the
    study's task, by `tokenizer`; config: the rule's slice, with the `task` that regimes are of."""

    cells: Cells
    training: dict[tuple[System, int], dict[str, Any]]
    fertility: pd.DataFrame
    published: Published
    config: dict[str, Any]

    @property
    def settings(self) -> Settings:
        return Settings(self.config["confidence"], self.config["resamples"], self.config["seed"])

    @property
    def languages(self) -> list[str]:
        return self.config["languages"]

    @property
    def task(self) -> str:
        return self.config["task"]

    @property
    def source(self) -> str:
        """The language that others are transferred to from."""
        return self.config["source_language"]

    def tokenizer_of(self, model: str) -> str:
        """The name of the tokeniser that goes with a model."""
        return self.config["tokenizers"][model]

    def fertility_of(self, model: str, text: str) -> pd.DataFrame:
        """How finely the tokeniser of this model cuts each language in `train` or `dev` text."""
        rows = self.fertility
        return rows[(rows["tokenizer"] == self.tokenizer_of(model)) & (rows["text"] == text)]

    @property
    def incomparable(self) -> str:
        """Why no accuracy of this study can be compared with published ones; empty where they can."""
        return "" if self.config["comparable"] else self.config["not_comparable_because"]

    def incomparable_with(self, ours: Group | System, model: str = MODEL, method: str = METHOD) -> str:
        """Why accuracies of our model and method cannot be compared with those published of another; empty where they can."""
        own = (self.config["published_as"][ours.model], ours.method)
        return self.incomparable or ("" if own == (model, method) else f"published of {model}, method {method}")

    def cell(self, system: System | None, language: str, split: str = "test", view: str = "full") -> Cell | None:
        """The answers of this system to this test of the study's task, if it was asked."""
        return self.cells.get((system, EvaluationSet(self.task, view, split, language))) if system else None

    def task_cells(self) -> Cells:
        """The cells of the study's task."""
        return {key: cell for key, cell in self.cells.items() if key[1].task == self.task}

    def systems(self, view: str = "full", group: Group | None = None) -> list[System]:
        """The systems with predictions for the study's task in this view: trained on that task, or on none."""
        asked = {system for system, asked in self.cells if asked.task == self.task and asked.view == view}
        found = (system for system in asked if system.task in (self.task, NOTHING))
        return sorted(system for system in found if group is None or self.group_of(system) == group)

    def group_of(self, system: System) -> Group:
        return Group(system.model, self.task, system.method)

    def models(self) -> list[str]:
        return sorted({system.model for system, _ in self.cells})

    def groups(self) -> list[Group]:
        """Each model with each method that it was trained by; one that was not trained with the method `none`."""
        trained = {self.group_of(system) for system, _ in self.cells if system.task == self.task}
        untrained = set(self.models()) - {group.model for group in trained}
        return sorted(trained | {Group(model, self.task, NOTHING) for model in untrained})

    def trained_on(self, train: str) -> list[str]:
        """The languages behind a name of what is trained."""
        return self.config["trained"].get(train, [train])

    def stands_for(self, group: Group, train: str, view: str = "full") -> System | None:
        """The trained system of a group for this training text: of the primary variant if there is one."""
        found = [system for system in self.systems(view, group) if system.train == train and system.method != NOTHING]
        return min(found, key=lambda system: (system.variant != self.config["primary_variant"], system.variant), default=None)

    def as_it_is(self, model: str) -> System | None:
        """The pretrained model without any training, if it was asked."""
        return as_it_is(model) if as_it_is(model) in self.systems() else None

    def zero_shot(self, group: Group) -> System | None:
        """The system of the source language, whose accuracies elsewhere are called zero-shot."""
        return self.stands_for(group, self.source)

    def joint_systems(self, group: Group) -> list[System]:
        """One system for each list of several languages, those with fewer languages first."""
        names = {system.train for system in self.systems("full", group) if system.method != NOTHING}
        several = sorted((name for name in names if len(self.trained_on(name)) > 1), key=lambda n: (len(self.trained_on(n)), n))
        return [system for name in several if (system := self.stands_for(group, name))]

    def regimes(self, group: Group, language: str) -> list[tuple[str, System]]:
        """The systems of a group that answer this language, by regime; zero-shot is also the source language's own."""
        named = [(ZERO_SHOT, self.zero_shot(group))]
        if language != self.source:
            named.append((OWN, self.stands_for(group, language)))
        joint = self.joint_systems(group)
        named += [(self.joint_name(system, joint), system) for system in joint]
        return [(regime, system) for regime, system in named if system]

    def joint_name(self, system: System, among: list[System]) -> str:
        """What a joint model is called: where there are others, by its number of languages and, if need be, its list."""
        if len(among) == 1:
            return JOINT
        sizes = [len(self.trained_on(other.train)) for other in among]
        size = len(self.trained_on(system.train))
        return f"{JOINT} of {size} languages" if sizes.count(size) == 1 else f"{JOINT} of {size} languages, {system.train}"

    def reference(self, system: System) -> System | None:
        """What a trained system of any task is compared with: the primary variant's of the same model, task and training
        text, whatever its method; for that one itself the model as it is."""
        if system.method == NOTHING:
            return None
        same = {
            other
            for other, _ in self.cells
            if (other.model, other.task, other.train) == (system.model, system.task, system.train)
        }
        primary = sorted(other for other in same if other.variant == self.config["primary_variant"])
        return primary[0] if primary and system not in primary else as_it_is(system.model)

    def record(self, system: System, seed: int | None = None) -> dict[str, Any]:
        """The training record of a run (of its lowest seed); empty for a model that was not trained here."""
        seeds = sorted(number for other, number in self.training if other == system) if seed is None else [seed]
        return self.training.get((system, seeds[0]), {}) if seeds else {}
