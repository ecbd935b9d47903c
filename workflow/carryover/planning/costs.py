"""What the jobs of a study cost: examples, tokens, updates, floating-point operations, and seconds on a machine.

Estimates come from what the config asks for, from token counts where there are any, and from the rates of a machine
(data/throughput.csv); never from what was spent. Operations are those of this project's own algorithm: no padding, the last
block and the output projection only where an answer is wanted, a premise once for the examples that share it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carryover.planning.facts import ModelFacts, facts_of
from carryover.runtime.errors import BadInput

COLUMNS = ["job", "stage", "examples", "tokens", "updates", "flops", "estimated_seconds"]
SHARED = 5 / 9  # of a test set's tokens that are computed where three hypotheses share a premise, as counted on XNLI
BYTES_PER_TOKEN = 4.6  # of English text under a byte-level BPE
ROWS = {"train": 392_702, "dev": 2_490, "test": 5_010}  # of XNLI, where the config does not say
WIDE = 512  # states from here on count as wide
DISK = {"weight": 4, "token": 4, "prediction": 24, "row": 160}  # bytes; the last two as measured in compressed Parquet
Job = Mapping[str, Any]


@dataclass(frozen=True)
class Sizes:
    """What is known of the texts.

    tokens: mean tokens of a prompt by (tokeniser, task, view, language, split) or, where nothing was counted yet, by language
    alone; rows: examples by (task, language, split); lines, text_bytes: of the pretraining text.
    """

    tokens: Mapping[tuple[str, ...] | str, float]
    rows: Mapping[tuple[str, str, str], int]
    lines: int
    text_bytes: int

    def prompt(self, tokenizer: str, task: str, view: str, language: str, split: str) -> float:
        """Mean tokens of a prompt; a language that nobody has counted is taken to be as long as the mean of all."""
        known = self.tokens.get((tokenizer, task, view, language, split), self.tokens.get(language))
        return known if known is not None else sum(self.tokens.values()) / len(self.tokens)


def facts_by_model(
    described: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], entries: Mapping[str, int]
) -> dict[str, ModelFacts]:
    """The facts of a study's models: as the config describes them, or as a model's own `config.json` does (`found`, by name);
    those of GPT-2 124M where neither is there yet. entries: of the tokenisers, by name."""
    facts = {}
    for name, model in described.items():
        stated = model["config"] and {**model["config"], "vocab_size": entries[model["tokenizer"]]}
        facts[name] = facts_of(stated or found.get(name) or {"model_type": "gpt2"})
    return facts


def counted_sizes(counted: Mapping[str, Mapping[str, Any]], lines: int, text_bytes: int) -> Sizes:
    """Sizes from the counts that the stage `tokens` wrote, by the names of its jobs."""
    tokens: dict[tuple[str, ...] | str, float] = {}
    rows = {}
    for job, one in counted.items():
        _, tokenizer, task, view, _ = job.split("/")
        for split, facts in one["splits"].items():
            tokens[tokenizer, task, view, one["language"], split] = facts["mean_tokens"]
            rows[task, one["language"], split] = facts["rows"]
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


def estimate(work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes, pace: Mapping[str, float]) -> list[dict]:
    """One row a job, with the columns of COLUMNS; a quantity that a job does not have is None.

    work: what `carryover.planning.workload` says of the study; facts: of its models; pace: the rates of a machine.
    """
    rows = []
    for job in work["jobs"]:
        amount: dict[str, float | None] = {"examples": None, "tokens": None, "updates": None, "flops": None}
        amount |= WORK[job["work"]](job, work, facts, sizes) if job["work"] in WORK else {}
        seconds = _seconds(job, amount, facts, pace)
        rows.append({"job": job["job"], "stage": job["job"].split("/")[0], **amount, "estimated_seconds": round(seconds, 2)})
    return rows


def _seconds(job: Job, amount: Mapping[str, float | None], facts: Mapping[str, ModelFacts], pace: Mapping[str, float]) -> float:
    seconds = pace.get(f"seconds_{job['work']}", 0.0) + (amount["examples"] or 0) * pace.get(f"seconds_{job['work']}_row", 0.0)
    if amount["flops"]:
        seconds += amount["flops"] / _rate(job, facts, pace)
    if amount["updates"]:
        passes = math.ceil(job["batch_size"] / (job.get("micro_batch_size") or job["batch_size"]))
        moved = facts[job["model"]].parameters if _trains_all(job) else 0
        seconds += amount["updates"] * (passes * pace["seconds_update"] + moved * pace["seconds_parameter"])
    return seconds


def _rate(job: Job, facts: Mapping[str, ModelFacts], pace: Mapping[str, float]) -> float:
    """Operations a second; of wide models, whose products keep a processor busier, where the machine was measured on them."""
    precision = job.get("precision", "fp32")
    wide = min(facts[name].width for name in job.get("models", [job.get("model")])) >= WIDE
    names = [*([f"flops_wide_{precision}"] if wide else []), f"flops_{job['work']}_{precision}", f"flops_{precision}"]
    return next(pace[name] for name in names if name in pace)


def _trains_all(job: Job) -> bool:
    """Whether the model's own weights train; what other methods put in is small beside them."""
    return job.get("method", "full") == "full"


def _rows(work: Mapping[str, Any], sizes: Sizes, task: str, language: str, split: str) -> int:
    known, asked = sizes.rows.get((task, language, split)), work["rows"][task][split]
    if known is not None:
        return known
    whole = ROWS[split]
    return whole if asked is None else asked if isinstance(asked, int) else max(1, int(asked * whole))


def _read(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    """Cleaning or tokenising rows."""
    task, pairs = job["task"], [(language, split) for language in job["languages"] for split in job["splits"]]
    examples = sum(_rows(work, sizes, task, *pair) for pair in pairs)
    if "view" not in job:
        return {"examples": examples}
    tokens = sum(_rows(work, sizes, task, *pair) * sizes.prompt(job["tokenizer"], task, job["view"], *pair) for pair in pairs)
    return {"examples": examples, "tokens": round(tokens)}


def _pretrain(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    model, lines = facts[job["model"]], sizes.lines
    length = min(job["line_length"], sizes.text_bytes / max(1, lines) / BYTES_PER_TOKEN)
    training = lines - int(lines * job["held_out"])
    updates = _updates(job, training)
    examples = min(training * job["epochs"], updates * job["batch_size"])
    seen = 3 * examples + (lines - training) * job["epochs"]  # backward takes two forwards; the held-out part each epoch
    flops = model.forward_flops(seen * length, length, 0, every_token=True)
    return {"examples": examples, "tokens": round(examples * length), "updates": updates, "flops": round(flops)}


def _updates(job: Job, rows: int) -> int:
    every = math.ceil(rows / job["batch_size"]) * job["epochs"]
    return every if job["max_updates"] is None else min(every, job["max_updates"])


def _finetune(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    """Training, and scoring dev after every epoch."""
    model, asked = facts[job["model"]], (work["models"][job["model"]]["tokenizer"], job["task"], job["view"])
    rows = {language: _rows(work, sizes, job["task"], language, "train") for language in job["languages"]}
    total = sum(rows.values())
    updates = _updates(job, total)
    examples = min(total * job["epochs"], updates * job["batch_size"])
    length = sum(count * sizes.prompt(*asked, language, "train") for language, count in rows.items()) / total
    epochs = math.ceil(examples / total)
    # Backward takes a pass for what goes through the layers, and one for their weights where these train.
    flops = (3 if _trains_all(job) else 2) * model.forward_flops(examples * length, length, examples)
    for language in job["languages"]:
        flops += epochs * _scored(*asked, language, "dev", work, model, sizes)[1]
    return {"examples": examples, "tokens": round(examples * length), "updates": updates, "flops": round(flops)}


def _predict(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    asked = (work["models"][job["model"]]["tokenizer"], job["task"], job["view"])
    pairs = [(language, split) for language in job["languages"] for split in ("dev", "test")]
    scored = [_scored(*asked, *pair, work, facts[job["model"]], sizes) for pair in pairs]
    examples = sum(_rows(work, sizes, job["task"], *pair) for pair in pairs)
    return {"examples": examples, "tokens": round(sum(one for one, _ in scored)), "flops": round(sum(two for _, two in scored))}


def _scored(
    tokenizer: str, task: str, view: str, language: str, split: str, work: Mapping[str, Any], model: ModelFacts, sizes: Sizes
) -> tuple[float, float]:
    """Tokens and operations of scoring one language and split."""
    rows, length = _rows(work, sizes, task, language, split), sizes.prompt(tokenizer, task, view, language, split)
    shared = 1.0 if view == "hypothesis" else SHARED
    return rows * length, model.forward_flops(rows * length * shared, length, rows)


def _generate(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    tokens = len(job["models"]) * job["prompts"] * job["max_new_tokens"]
    each = job["prompts"] * job["max_new_tokens"]
    flops = sum(facts[name].forward_flops(each, job["max_new_tokens"], 0, every_token=True) for name in job["models"])
    return {"examples": len(job["models"]) * job["prompts"], "tokens": tokens, "flops": round(flops)}


def _likelihood(job: Job, work: Mapping[str, Any], facts: Mapping[str, ModelFacts], sizes: Sizes) -> dict[str, float]:
    """Every token of a sentence, which is about half a prompt and, in XNLI, one for three rows."""
    tokenizer, model, task = work["models"][job["model"]]["tokenizer"], facts[job["model"]], job["task"]
    examples, tokens, flops = 0, 0.0, 0.0
    for language in job["languages"]:
        there, length = _rows(work, sizes, task, language, "dev") // 3, sizes.prompt(tokenizer, task, "full", language, "dev") / 2
        read = there if job["rows"] is None else min(there, job["rows"])
        examples, tokens = examples + read, tokens + read * length
        flops += model.forward_flops(read * length, length, 0, every_token=True)
    return {"examples": examples, "tokens": round(tokens), "flops": round(flops)}


WORK = {
    **{"corpus": _read, "tokenise": _read, "pretrain": _pretrain, "finetune": _finetune},
    **{"predict": _predict, "generate": _generate, "likelihood": _likelihood},
}


def disk(work: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], facts: Mapping[str, ModelFacts]) -> dict[str, int]:
    """Bytes that the results take, by stage; models that go after they have predicted are counted as if they stayed."""
    jobs = {job["job"]: job for job in work["jobs"]}
    needed: dict[str, float] = {}
    for row in rows:
        kind = jobs[row["job"]]["work"]
        size = {
            **dict.fromkeys(("pretrain", "finetune", "convert"), DISK["weight"] * _weights(jobs[row["job"]], facts)),
            "tokenise": DISK["token"] * (row["tokens"] or 0),
            "predict": DISK["prediction"] * (row["examples"] or 0),
            "corpus": DISK["row"] * (row["examples"] or 0),
        }.get(kind, 0)
        needed[row["stage"]] = needed.get(row["stage"], 0) + size
    return {stage: round(size) for stage, size in needed.items() if size}


def _weights(job: Job, facts: Mapping[str, ModelFacts]) -> int:
    return facts[job["model"]].parameters if "model" in job and _trains_all(job) else 0
