"""All evidence of one study in one place, and which model stands for which regime.

Regimes: `zero-shot` is the English model of the primary variant; `own model` one trained on the language itself; a joint
model one trained on a named list of languages. Where the primary variant was not trained in some regime, the first variant
by name stands in; tables name the model, so that this shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.analysis.predictions import AS_IT_IS, FINE_TUNED, Asked, Cell, Cells, Model
from carryover.analysis.published import Published
from carryover.metrics.bootstrap import Settings

ZERO_SHOT, OWN, JOINT = "zero-shot", "own model", "joint model"
ENGLISH = "en"
BASELINE = "baseline"  # the variant that others are compared with


@dataclass(frozen=True)
class Study:
    """cells: answers by model and test; training: the record of each run; fertility: its table; config: the rule's slice."""

    cells: Cells
    training: dict[tuple[Model, int], dict[str, Any]]
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
    def incomparable(self) -> str:
        """Why no accuracy of this study can be compared with published ones; empty where they can."""
        return "" if self.config["comparable"] else self.config["not_comparable_because"]

    def cell(self, model: Model | None, language: str, split: str = "test", view: str = "full") -> Cell | None:
        """The answers of this model to this test, if it was asked."""
        return self.cells.get((model, Asked(view, split, language))) if model else None

    def models(self, view: str = "full", backbone: str | None = None) -> list[Model]:
        """The models with predictions in this view."""
        found = {model for model, asked in self.cells if asked.view == view and backbone in (None, model.backbone)}
        return sorted(found)

    def backbones(self) -> list[str]:
        return sorted({model.backbone for model, _ in self.cells})

    def trained_on(self, train: str) -> list[str]:
        """The languages behind a name of what is trained."""
        return self.config["trained"].get(train, [train])

    def stands_for(self, backbone: str, train: str, view: str = "full") -> Model | None:
        """The fine-tuned model for this training text: of the primary variant if there is one."""
        found = [model for model in self.models(view, backbone) if model.method == FINE_TUNED and model.train == train]
        return min(found, key=lambda model: (model.variant != self.config["primary_variant"], model.variant), default=None)

    def as_it_is(self, backbone: str) -> Model | None:
        """The pretrained model without any fine-tuning."""
        return next((model for model in self.models("full", backbone) if model.method == AS_IT_IS), None)

    def english(self, backbone: str) -> Model | None:
        """The English model whose accuracies elsewhere are called zero-shot."""
        return self.stands_for(backbone, ENGLISH)

    def joint_models(self, backbone: str) -> list[Model]:
        """One model for each list of several languages, those with fewer languages first."""
        names = {model.train for model in self.models("full", backbone) if model.method == FINE_TUNED}
        several = sorted((name for name in names if len(self.trained_on(name)) > 1), key=lambda n: (len(self.trained_on(n)), n))
        return [model for name in several if (model := self.stands_for(backbone, name))]

    def regimes(self, backbone: str, language: str) -> list[tuple[str, Model]]:
        """The models that answer this language, by regime; in English the English model is also its own."""
        named = [(ZERO_SHOT, self.english(backbone))]
        if language != ENGLISH:
            named.append((OWN, self.stands_for(backbone, language)))
        joint = self.joint_models(backbone)
        named += [(self.joint_name(model, joint), model) for model in joint]
        return [(regime, model) for regime, model in named if model]

    def joint_name(self, model: Model, among: list[Model]) -> str:
        """What a joint model is called: where there are others, by its number of languages and, if need be, its list."""
        if len(among) == 1:
            return JOINT
        sizes = [len(self.trained_on(other.train)) for other in among]
        size = len(self.trained_on(model.train))
        return f"{JOINT} of {size} languages" if sizes.count(size) == 1 else f"{JOINT} of {size} languages, {model.train}"

    def record(self, model: Model, seed: int | None = None) -> dict[str, Any]:
        """The training record of a run (of its lowest seed); empty for a model that was not trained here."""
        seeds = sorted(number for other, number in self.training if other == model) if seed is None else [seed]
        return self.training.get((model, seeds[0]), {}) if seeds else {}
