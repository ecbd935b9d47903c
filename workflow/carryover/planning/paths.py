"""Where the files of a study lie. Every path is written and read here and nowhere else.

    results/<study>/
        corpus/<task>/<language>.<split>.parquet
        tokenizers/<tokenizer>/tokenizer.json
        tokens/<tokenizer>/<task>/<view>/<language>.<split>.safetensors
        fertility/<tokenizer>/<task>.csv
        pretrained/<model>/                                            a model as it is
        models/<model>/<task>/<method>/<variant>/<train>/seed<n>/      a run: one trained system and its seed
        predictions/<model>/<task>/<method>/<variant>/<train>/seed<n>/<asked task>/<view>/<language>.<split>.parquet
        likelihood/<model>/<task>/<method>/<variant>/<train>/seed<n>/<language>.parquet
        interpretability/<subject>/<language>.safetensors, <step>.csv  what was read out of a model; a subject is named as a run
        <chapter>/tables/<table>.csv, <chapter>/figures/<figure>.svg and .csv
        logs/<job>.log

A job is named by its place in the study's folder: its provenance lies at `<job>/provenance.json`, where it fills a folder, or
at `<job>.provenance.json`. The parts of a path may be Snakemake's wildcards, so the rules write their patterns here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from carryover.runtime.errors import BadInput

NOTHING = "none"  # task, method, variant and training text of a model as it is
RANDOM = "random"  # in place of a variant: the model's architecture at random weights
MODEL_FILES = ("config.json", "model.safetensors")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
GENERATION_FILE = "generation_config.json"
PROVENANCE = "provenance.json"


class System(NamedTuple):
    """What makes predictions, without its seed: a model, and what was trained on it."""

    model: str
    task: str
    method: str
    variant: str
    train: str

    @property
    def name(self) -> str:
        return "/".join(self)


class EvaluationSet(NamedTuple):
    """What a system is asked."""

    task: str
    view: str
    split: str
    language: str


def as_it_is(model: str) -> System:
    """A model on which nothing was trained. Its only seed is 0."""
    return System(model, NOTHING, NOTHING, NOTHING, NOTHING)


def run_name(system: System, seed: int | str) -> str:
    """A system and its seed as a part of a path: the name of a run."""
    return f"{system.name}/seed{seed}"


def system_of(run: str) -> tuple[System, int]:
    """The system and the seed of a run's name. Raises BadInput for what is none."""
    *parts, seed = run.split("/")
    number = seed.removeprefix("seed")
    if len(parts) != len(System._fields) or number == seed or not number.isdecimal():
        raise BadInput(f"{run}: expected <{'>/<'.join(System._fields)}>/seed<n>")
    return System(*parts), int(number)


@dataclass(frozen=True)
class Layout:
    """The paths of one study. root: its folder, such as `results/mini`."""

    root: str

    def corpus(self, task: str, language: str, split: str) -> str:
        """The rows of one language and split."""
        return f"{self.root}/corpus/{task}/{language}.{split}.parquet"

    def tokenizer(self, name: str) -> str:
        """The folder of a tokeniser, with `TOKENIZER_FILES` in it."""
        return f"{self.root}/tokenizers/{name}"

    def tokens(self, tokenizer: str, task: str, view: str, language: str, split: str) -> str:
        """The inputs of one language and split as token ids."""
        return f"{self.root}/tokens/{tokenizer}/{task}/{view}/{language}.{split}.safetensors"

    def fertility(self, tokenizer: str, task: str) -> str:
        """How finely a tokeniser cuts the text of a task."""
        return f"{self.root}/fertility/{tokenizer}/{task}.csv"

    def pretrained(self, model: str) -> str:
        """The Hugging Face directory of a model as it is."""
        return f"{self.root}/pretrained/{model}"

    def run(self, run: str) -> str:
        """The directory that training fills, by the run's name."""
        return f"{self.root}/models/{run}"

    def predictions(self, run: str, task: str, view: str) -> str:
        """The folder with what a run answers to one task under one view."""
        return f"{self.root}/predictions/{run}/{task}/{view}"

    def prediction(self, run: str, task: str, view: str, language: str, split: str) -> str:
        return f"{self.predictions(run, task, view)}/{language}.{split}.parquet"

    def likelihoods(self, run: str) -> str:
        """The folder with how likely a run, or a model as it is, finds each language."""
        return f"{self.root}/likelihood/{run}"

    def likelihood(self, run: str, language: str) -> str:
        return f"{self.likelihoods(run)}/{language}.parquet"

    def inspected(self, subject: str) -> str:
        """The folder with what was read out of a model, by the subject's name."""
        return f"{self.root}/interpretability/{subject}"

    def reading(self, subject: str, language: str) -> str:
        """What a model did with the sentences of one language."""
        return f"{self.inspected(subject)}/{language}.safetensors"

    def table(self, chapter: str, name: str) -> str:
        return f"{self.root}/{chapter}/tables/{name}.csv"

    def figure(self, chapter: str, name: str, suffix: str = "svg") -> str:
        """A figure, or with the suffix `csv` the rows that it shows."""
        return f"{self.root}/{chapter}/figures/{name}.{suffix}"

    def file(self, name: str) -> str:
        """A file of which a study has one, by its place in the study's folder."""
        return f"{self.root}/{name}"

    def counts(self, job: str) -> str:
        """What a job of `corpus` or `tokens` counted."""
        return f"{self.root}/{job}.json"

    def log(self, job: str) -> str:
        return f"{self.root}/logs/{job}.log"

    def provenance(self, job: str, fills_folder: bool = False) -> str:
        """How a job's outputs were made. fills_folder: they lie in a folder of the job's name."""
        return f"{self.root}/{job}{'/' if fills_folder else '.'}{PROVENANCE}"

    def job(self, provenance: str | PurePath) -> str:
        """The name of the job with this provenance."""
        return str(provenance).removeprefix(f"{self.root}/").removesuffix(PROVENANCE).rstrip("/.")


def run_of(path: PurePath) -> tuple[System, int]:
    """The system and the seed of a file under `models/<run>/`, or of the folder itself."""
    return system_of("/".join(_after(path, "models")[: len(System._fields) + 1]))


def prediction_of(path: PurePath) -> tuple[System, int, EvaluationSet]:
    """The system, the seed and what was asked, of a file of predictions. Raises BadInput for any other path."""
    parts = _after(path, "predictions")
    if len(parts) != len(System._fields) + 4:
        raise BadInput(f"{path}: expected predictions/<{'>/<'.join(System._fields)}>/seed<n>/<task>/<view>/<file>")
    *run, task, view, name = parts
    language, split = language_and_split(PurePath(name))
    return (*system_of("/".join(run)), EvaluationSet(task, view, split, language))


def likelihood_of(path: PurePath) -> tuple[System, int, str]:
    """The system, the seed and the language of a file of likelihoods. Raises BadInput for any other path."""
    *run, name = _after(path, "likelihood")
    return (*system_of("/".join(run)), name.removesuffix(path.suffix))


def subject_of(path: PurePath) -> System:
    """The subject of a file of `Layout.inspected`, as a system."""
    return system_of("/".join(_after(path, "interpretability")[: len(System._fields) + 1]))[0]


def table_of(path: PurePath) -> tuple[str, str]:
    """The chapter and the name of one of its tables or figures."""
    return path.parent.parent.name, path.stem


def fertility_of(path: PurePath) -> tuple[str, str]:
    """The tokeniser and the task of a table of fertility."""
    return path.parent.name, path.stem


def language_and_split(path: PurePath) -> tuple[str, str]:
    """Of a file `<language>.<split>.<suffix>`; the split of counts is `evaluation` (dev and test) or `training`."""
    if path.name.count(".") < 2:
        raise BadInput(f"{path}: expected <language>.<split>{path.suffix}")
    language, split, _ = path.name.rsplit(".", 2)
    return language, split


def job_of_run(run: str) -> str:
    """The name of the job that trains a run."""
    return f"models/{run}"


def job_of_predictions(run: str, task: str, view: str) -> str:
    """The name of the job that makes predictions."""
    return f"predictions/{run}/{task}/{view}"


def job_of_likelihoods(run: str) -> str:
    """The name of the job that says how likely a run finds text."""
    return f"likelihood/{run}"


def _after(path: PurePath, folder: str) -> tuple[str, ...]:
    """The parts of a path after the last folder of this name."""
    parts = path.parts
    if folder not in parts:
        raise BadInput(f"{path}: not under a folder {folder}/")
    return parts[len(parts) - parts[::-1].index(folder) :]


def foreign_files(directory: str | Path) -> list[str]:
    """The files of a model from elsewhere: those of any model, and its settings of generation."""
    return [*model_files(directory), f"{directory}/{GENERATION_FILE}"]


def model_files(directory: str | Path) -> list[str]:
    """The files of a model directory: Hugging Face's, with the model's own tokeniser."""
    return [f"{directory}/{name}" for name in (*MODEL_FILES, *TOKENIZER_FILES)]
