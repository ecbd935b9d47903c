"""Model cards: what the Hugging Face hub shows of a model, from what a study measured of it.

Metadata are those of `huggingface_hub`: a model's directory with its card can be uploaded as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from carryover.analysis.comparison import ABOVE, judge, measure, score
from carryover.analysis.predictions import Cell
from carryover.analysis.scores import Metrics
from carryover.metrics.bootstrap import Settings
from carryover.planning.paths import System
from carryover.reporting.formatting import Words, whole

OF_PEFT = ("LORA", "IA3", "PREFIX_TUNING", "PROMPT_TUNING")  # formats that peft opens; others are this project's own
IDENTIFIER = re.compile(r"[A-Za-z0-9.+-]+")  # of a licence, which the hub takes in lower case
RECIPE = ("lr", "batch_size", "epochs", "max_updates", "warmup", "schedule", "clip", "dropout", "weight_decay", "precision")


@dataclass(frozen=True)
class Trained:
    """A trained run.

    record: its training.json; base: of the model that it started from its `hub` (repository), `license` and `rounded` (what was
    rounded before), each None where nothing is known; adapter: the type of adapter that its files hold alone (`peft_type`),
    None where they hold a model; prompt: the `template` and the `labels` that stand in its text, empty for a task without;
    training, test: the names of the files that its text comes from; study, commit: what made it.
    """

    system: System
    seed: int
    record: Mapping[str, Any]
    base: Mapping[str, str | None]
    adapter: str | None
    prompt: Mapping[str, Any]
    training: str
    test: str
    study: str
    commit: str | None


def card(trained: Trained, cells: Sequence[Cell], metrics: Metrics, settings: Settings, words: Words) -> str:
    """The text of a model's README.md. cells: what it answered of test text of its own task, this seed alone, by language."""
    scores = [
        {"language": cell.evaluation_set.language, "metric": name, **measure(cell, metric, settings)}
        for cell in cells
        for name, metric in metrics[cell.evaluation_set.task].items()
    ]
    parts = [_title(trained, words), _training(trained, words), _use(trained), _results(scores, words)]
    parts += [_limits(trained, cells, settings, words), _made(trained)]
    return "\n\n".join([f"---\n{_metadata(trained, scores, words).to_yaml()}\n---", *filter(None, parts)]) + "\n"


def _metadata(trained: Trained, scores: Sequence[Mapping[str, Any]], words: Words) -> ModelCardData:
    system, license = trained.system, trained.base["license"]
    results = [
        EvalResult(
            task_type=system.task,
            dataset_type=trained.test,
            dataset_name=f"{trained.test}, {words.language(row['language'])}",
            dataset_config=row["language"],
            dataset_split="test",
            metric_type=row["metric"],
            metric_value=round(row["value"], 4),
            metric_name=f"{row['metric']}, {words.level} interval {row['low']:.4f} to {row['high']:.4f}, n = {row['n']}",
        )
        for row in scores
    ]
    return ModelCardData(
        language=list(trained.record["languages"]),
        license=license.lower() if license and IDENTIFIER.fullmatch(license) else None,
        library_name="transformers" if trained.adapter is None else "peft" if trained.adapter in OF_PEFT else "carryover",
        base_model=trained.base["hub"],
        tags=["carryover", system.task, system.method],
        model_name=f"{system.name}/seed{trained.seed}" if results else None,
        eval_results=results or None,
    )


def _title(trained: Trained, words: Words) -> str:
    system, languages = trained.system, words.languages(trained.record["languages"])
    what = f"an adapter ({trained.adapter}) for" if trained.adapter else "all weights of"
    return (
        f"# {system.model}, fine-tuned on {system.task} in {languages}\n\n"
        f"These files hold {what} {system.model}{_origin(trained)}, trained by the method `{system.method}` (variant "
        f"`{system.variant}`, seed {trained.seed})."
    )


def _origin(trained: Trained) -> str:
    hub, rounded = trained.base["hub"], trained.base["rounded"]
    said = [*([f"`{hub}` on the hub"] if hub else []), *([f"its weights had been rounded, {rounded}"] if rounded else [])]
    return f" ({'; '.join(said)})" if said else ""


def _training(trained: Trained, words: Words) -> str:
    record, recipe = trained.record, trained.record["recipe"]
    settings = "\n".join(f"| {name} | {recipe[name]} |" for name in RECIPE if recipe.get(name) is not None)
    return (
        f"## Training\n\n{whole(record['examples'])} examples of `{trained.training}` in {words.languages(record['languages'])}, "
        f"{whole(record['updates'])} updates, {whole(record['trained_parameters'])} of {whole(record['parameters'])} parameters "
        f"trained. Mean loss over training: {record['train_loss']:.3f} nats.\n\n| setting | value |\n|---|---|\n{settings}"
    )


def _use(trained: Trained) -> str:
    if "template" not in trained.prompt:
        return ""
    labels = ", ".join(f"`{label}`" for label in trained.prompt["labels"])
    return (
        "## Use\n\nThe answer is the next token after this text; compare the log-probabilities of the labels, "
        f"{labels}:\n\n```\n{trained.prompt['template']}\n```"
    )


def _results(scores: Sequence[Mapping[str, Any]], words: Words) -> str:
    if not scores:
        return "## Results\n\nIts study did not ask it any test text."
    lines = [
        f"| {words.language(row['language'])} | {row['metric']} | {row['value']:.3f} | {row['low']:.3f} to {row['high']:.3f} "
        f"| {whole(row['n'])} | {whole(row['clusters'])} |"
        for row in scores
    ]
    head = f"| language | metric | value | {words.level} interval | rows | {words.term('clusters')} |\n|---|---|---|---|---|---|"
    return "\n".join(["## Results on test text\n", head, *lines])


def _limits(trained: Trained, cells: Sequence[Cell], settings: Settings, words: Words) -> str:
    """In which languages nothing shows that it can do its task, and whose terms hold."""
    said = []
    if trained.prompt and cells:
        judged = [{"language": cell.evaluation_set.language, **score(cell, settings)} for cell in cells]
        judge(judged, settings)
        if silent := [row["language"] for row in judged if row["verdict"] != ABOVE]:
            said.append(f"No evidence above the best constant answer (after Holm's correction) in {words.languages(silent)}.")
    said.append("One seed: the intervals cover the choice of test rows, not the luck of training.")
    if not trained.base["license"]:
        said.append(f"The licence of {trained.system.model} is not stated in its files; it holds for these too.")
    return "## Limits\n\n" + " ".join([*said, f"The terms of `{trained.training}` hold for what was trained on it."])


def _made(trained: Trained) -> str:
    at = f" at commit `{trained.commit}`" if trained.commit else ""
    return (
        f"## How it was made\n\nBy Carryover{at}, study `{trained.study}`; `provenance.json` beside this file has its key "
        f"and checksums, `results/{trained.study}/config.yaml` the configuration."
    )
