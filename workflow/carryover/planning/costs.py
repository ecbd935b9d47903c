"""What the jobs of a study cost: examples, tokens, updates, floating-point operations, and seconds on a machine.

Estimates come from what the config asks for, from token counts where there are any, and from the rates of a machine
(data/throughput.csv); never from what was spent. Operations are those of this project's own algorithm: no padding, the last
block and the output projection only where an answer is wanted, a premise once for the examples that share it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.runtime.errors import BadInput

COLUMNS = ["job", "stage", "examples", "tokens", "updates", "flops", "estimated_seconds"]
SHARED = 5 / 9  # of a test set's tokens that are computed where three hypotheses share a premise, as counted on XNLI
BYTES_PER_TOKEN = 4.6  # of English text under a byte-level BPE
ROWS = {"train": 392_702, "dev": 2_490, "test": 5_010}  # of XNLI, where the config does not say
DISK = {"weight": 4, "token": 4, "prediction": 24, "row": 160}  # bytes; the last two as measured in compressed Parquet
Task = Mapping[str, Any]


@dataclass(frozen=True)
class Shape:
    """A GPT-2's width, layers, feed-forward width, positions and vocabulary."""

    width: int
    layers: int
    feed_forward: int
    positions: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Weights, the tied output projection once; biases and norms included."""
        block = 4 * self.width**2 + 2 * self.width * self.feed_forward + 9 * self.width + self.feed_forward
        return self.layers * block + (self.vocabulary + self.positions) * self.width + 2 * self.width


@dataclass(frozen=True)
class Sizes:
    """What is known of the texts.

    tokens: mean tokens of a prompt by (view, language, split) or, where nothing was counted yet, by language alone; rows:
    examples by (language, split); lines, text_bytes: of the pretraining text.
    """

    tokens: Mapping[tuple[str, str, str] | str, float]
    rows: Mapping[tuple[str, str], int]
    lines: int
    text_bytes: int

    def prompt(self, view: str, language: str, split: str) -> float:
        """Mean tokens of a prompt; a language that nobody has counted is taken to be as long as the mean of all."""
        known = self.tokens.get((view, language, split), self.tokens.get(language))
        return known if known is not None else sum(self.tokens.values()) / len(self.tokens)


def shapes(stated: Mapping[str, Any], found: Mapping[str, Mapping[str, int]], vocabulary: int) -> dict[str, Shape]:
    """The shapes of a study's models: as the config states them, or as a model's own `config.json` does (`found`, by name);
    GPT-2 124M where neither is there yet."""
    made = {}
    for name, shape in stated.items():
        given = found.get(name, {})
        other = {
            "width": given.get("n_embd", 768),
            "layers": given.get("n_layer", 12),
            "feed_forward": given.get("n_inner") or 4 * given.get("n_embd", 768),
            "positions": given.get("n_positions", 1024),
        }
        made[name] = Shape(**(shape or other), vocabulary=given.get("vocab_size", vocabulary))
    return made


def counted_sizes(counted: Iterable[Mapping[str, Any]], lines: int, text_bytes: int) -> Sizes:
    """Sizes from the counts that the stage `tokens` wrote."""
    tokens: dict[tuple[str, str, str] | str, float] = {}
    rows = {}
    for one in counted:
        for split, facts in one["splits"].items():
            tokens[one["view"], one["language"], split] = facts["mean_tokens"]
            rows[one["language"], split] = facts["rows"]
    return Sizes(tokens, rows, lines, text_bytes)


def pace(table: pd.DataFrame, machine: str) -> dict[str, float]:
    """The rates of a machine by quantity, those of `any` where it has none of its own.

    table: machine, quantity, value (see data/README.md). Raises BadInput for a machine that it does not have.
    """
    if machine not in set(table["machine"]) - {"any"}:
        known = ", ".join(sorted(set(table["machine"]) - {"any"}))
        raise BadInput(f"plan.machine: no rates of {machine} in data/throughput.csv; known: {known}")
    common, own = (table[table["machine"] == name].set_index("quantity")["value"].to_dict() for name in ("any", machine))
    return {**common, **own}


def forward_flops(shape: Shape, tokens: float, length: float, answers: float, every_token: bool = False) -> float:
    """Operations of a forward pass over `tokens` in sequences of `length`, of which `answers` are asked for the next token.

    Two per weight and token in every product, four per width and seen token in attention, of which a token sees half its
    sequence. every_token: all blocks and the projection for every token, as in pretraining.
    """
    products = 2 * (4 * shape.width**2 + 2 * shape.width * shape.feed_forward)
    block = products + 4 * shape.width * (length + 1) / 2
    project = 2 * shape.width * shape.vocabulary
    if every_token:
        return tokens * (shape.layers * block + project)
    last = 2 * 2 * shape.width**2  # keys and values
    asked = products - last + 4 * shape.width * length
    return tokens * ((shape.layers - 1) * block + last) + answers * (asked + project)


def estimate(work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes, pace: Mapping[str, float]) -> list[dict]:
    """One row a job, with the columns of COLUMNS; a quantity that a job does not have is None.

    work: what `carryover.planning.workload` says of the study; shapes: of its models; pace: the rates of a machine.
    """
    rows = []
    for task in work["tasks"]:
        amount: dict[str, float | None] = {"examples": None, "tokens": None, "updates": None, "flops": None}
        amount |= WORK[task["work"]](task, work, shapes, sizes) if task["work"] in WORK else {}
        seconds = _seconds(task, amount, shapes, pace)
        rows.append({"job": task["job"], "stage": task["job"].split("/")[0], **amount, "estimated_seconds": round(seconds, 2)})
    return rows


def _seconds(task: Task, amount: Mapping[str, float | None], shapes: Mapping[str, Shape], pace: Mapping[str, float]) -> float:
    seconds = pace.get(f"seconds_{task['work']}", 0.0) + (amount["examples"] or 0) * pace.get(f"seconds_{task['work']}_row", 0.0)
    if amount["flops"]:
        precision = task.get("precision", "fp32")
        seconds += amount["flops"] / pace.get(f"flops_{task['work']}_{precision}", pace[f"flops_{precision}"])
    if amount["updates"]:
        seconds += amount["updates"] * (pace["seconds_update"] + shapes[task["model"]].parameters * pace["seconds_parameter"])
    return seconds


def _rows(work: Mapping[str, Any], sizes: Sizes, language: str, split: str) -> int:
    known, asked = sizes.rows.get((language, split)), work["rows"][split]
    if known is not None:
        return known
    whole = ROWS[split]
    return whole if asked is None else asked if isinstance(asked, int) else max(1, int(asked * whole))


def _read(task: Task, work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes) -> dict[str, float]:
    """Cleaning or tokenising rows."""
    pairs = [(language, split) for language in task["languages"] for split in task["splits"]]
    examples = sum(_rows(work, sizes, *pair) for pair in pairs)
    if "view" not in task:
        return {"examples": examples}
    tokens = sum(_rows(work, sizes, *pair) * sizes.prompt(task["view"], *pair) for pair in pairs)
    return {"examples": examples, "tokens": round(tokens)}


def _pretrain(task: Task, work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes) -> dict[str, float]:
    shape, lines = shapes[task["model"]], sizes.lines
    length = min(task["line_length"], sizes.text_bytes / max(1, lines) / BYTES_PER_TOKEN)
    training = lines - int(lines * task["held_out"])
    updates = _updates(task, training)
    examples = min(training * task["epochs"], updates * task["batch_size"])
    seen = 3 * examples + (lines - training) * task["epochs"]  # backward takes two forwards; the held-out part each epoch
    flops = forward_flops(shape, seen * length, length, 0, every_token=True)
    return {"examples": examples, "tokens": round(examples * length), "updates": updates, "flops": round(flops)}


def _updates(task: Task, rows: int) -> int:
    every = math.ceil(rows / task["batch_size"]) * task["epochs"]
    return every if task["max_updates"] is None else min(every, task["max_updates"])


def _finetune(task: Task, work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes) -> dict[str, float]:
    """Training, and scoring dev after every epoch."""
    shape = shapes[task["model"]]
    rows = {language: _rows(work, sizes, language, "train") for language in task["languages"]}
    total = sum(rows.values())
    updates = _updates(task, total)
    examples = min(total * task["epochs"], updates * task["batch_size"])
    length = sum(count * sizes.prompt(task["view"], language, "train") for language, count in rows.items()) / total
    epochs = math.ceil(examples / total)
    flops = 3 * forward_flops(shape, examples * length, length, examples)
    for language in task["languages"]:
        flops += epochs * _scored(task["view"], language, "dev", work, shape, sizes)[1]
    return {"examples": examples, "tokens": round(examples * length), "updates": updates, "flops": round(flops)}


def _predict(task: Task, work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes) -> dict[str, float]:
    pairs = [(language, split) for language in task["languages"] for split in ("dev", "test")]
    scored = [_scored(task["view"], *pair, work, shapes[task["model"]], sizes) for pair in pairs]
    examples = sum(_rows(work, sizes, *pair) for pair in pairs)
    return {"examples": examples, "tokens": round(sum(one for one, _ in scored)), "flops": round(sum(two for _, two in scored))}


def _scored(view: str, language: str, split: str, work: Mapping[str, Any], shape: Shape, sizes: Sizes) -> tuple[float, float]:
    """Tokens and operations of scoring one language and split."""
    rows, length = _rows(work, sizes, language, split), sizes.prompt(view, language, split)
    shared = 1.0 if view == "hypothesis" else SHARED
    return rows * length, forward_flops(shape, rows * length * shared, length, rows)


def _generate(task: Task, work: Mapping[str, Any], shapes: Mapping[str, Shape], sizes: Sizes) -> dict[str, float]:
    tokens = len(task["models"]) * task["prompts"] * task["max_new_tokens"]
    each = task["prompts"] * task["max_new_tokens"]
    flops = sum(forward_flops(shapes[name], each, task["max_new_tokens"], 0, every_token=True) for name in task["models"])
    return {"examples": len(task["models"]) * task["prompts"], "tokens": tokens, "flops": round(flops)}


WORK = {
    **{"corpus": _read, "tokenise": _read, "pretrain": _pretrain, "finetune": _finetune},
    **{"predict": _predict, "generate": _generate},
}


def disk(work: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Bytes that the results take, by stage; models that go after they have predicted are counted as if they stayed."""
    tasks = {task["job"]: task for task in work["tasks"]}
    needed: dict[str, float] = {}
    for row in rows:
        kind = tasks[row["job"]]["work"]
        size = {
            **dict.fromkeys(("pretrain", "finetune", "convert"), DISK["weight"] * _weights(tasks[row["job"]], shapes)),
            "tokenise": DISK["token"] * (row["tokens"] or 0),
            "predict": DISK["prediction"] * (row["examples"] or 0),
            "corpus": DISK["row"] * (row["examples"] or 0),
        }.get(kind, 0)
        needed[row["stage"]] = needed.get(row["stage"], 0) + size
    return {stage: round(size) for stage, size in needed.items() if size}


def _weights(task: Task, shapes: Mapping[str, Shape]) -> int:
    return shapes[task["model"]].parameters if "model" in task else 0
