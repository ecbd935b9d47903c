"""A study that no model made: every file that the last stages read, for five languages and seven runs.

Accuracies are set here, so that tests know what the tables and the report must say: `SKILL` is the share of rows that a
model answers rightly beyond guessing, `None` a model that gives one answer to everything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from carryover.analysis.records import read_csv
from carryover.planning.schema import load_schema, task_terms
from carryover.reporting.chapters import FILE, FOLDER, Figure, Table, read_chapter
from carryover.reporting.functions import parts
from study_runner import job_arguments

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ["en", "es", "de", "ar", "th"]
TRAINED = {"en": ["en"], "es": ["es"], "ar": ["ar"], "joint": ["en", "es", "ar"]}
CONFIG = {
    "study": "synthetic",
    "title": "A synthetic study",
    "languages": LANGUAGES,
    "task": "nli",
    "source_language": "en",
    "metrics": {"nli": ["accuracy"], "tagging": ["entity_f1", "accuracy"]},
    "primary_variant": "lr_high",
    "confidence": 0.95,
    "resamples": 500,
    "seed": 0,
    "fertility_groups": {"low": 2.0, "medium": 4.0},
    "zero_shot_categories": {"good": 0.40, "moderate": 0.30},
    "fertility_not_comparable_because": {"bpe": "", "other": ""},
    "model": "toy",
    "tokenizers": {"toy": "bpe", "other": "other"},
    "published_as": {"toy": "GPT-2 124M", "other": None},
    "equal_within": 0.02,
    "trained": TRAINED,
    "other_scripts": {"latin": [], "cyrillic": [], "greek": []},
    "labels": {"nli": ["entailment", "contradiction", "neutral"], "tagging": []},
    "digits": 1,
    "terms": task_terms(load_schema(), "nli"),
    "published": ["report", "public_runs", "literature"],
    "comparable": False,
    "not_comparable_because": "a toy model on the embedded corpus",
}
LOOK = {"listed": LANGUAGES, "confidence": 0.95, "source": "en", "palette": "okabe-ito", "order": "family"}
SKILL = {
    ("lr_high", "en"): {"en": 0.45, "es": 0.18, "de": 0.12, "ar": 0.0, "th": None},
    ("baseline", "en"): {"en": 0.20, "es": 0.05, "de": 0.0, "ar": 0.0, "th": None},
    ("lr_high", "es"): {"en": 0.1, "es": 0.35, "de": 0.05, "ar": 0.0, "th": 0.0},
    ("lr_high", "ar"): {"en": 0.0, "es": 0.0, "de": 0.0, "ar": 0.01, "th": 0.0},
    ("lr_high", "joint"): {"en": 0.42, "es": 0.34, "de": 0.15, "ar": 0.12, "th": 0.0},
    ("blind", "en"): {"en": 0.1, "es": 0.02, "de": 0.0, "ar": 0.0, "th": 0.0},
}
PREMISES = {"dev": 60, "test": 300}
FERTILITY = {"en": 1.24, "es": 1.8, "de": 2.1, "ar": 4.7, "th": 49.2}
CHAPTER = read_chapter(FOLDER / "transfer" / FILE)


def predictions(skill: float | None, split: str, *stream: str | int) -> pd.DataFrame:
    """Answers with this skill; premises have three rows, one of each label."""
    rng = np.random.default_rng([zlib.crc32(str(part).encode()) for part in (split, *stream)])
    n = 3 * PREMISES[split]
    label = np.tile([0, 1, 2], PREMISES[split])
    guess = rng.integers(0, 3, n)
    answer = np.zeros(n, int) if skill is None else np.where(rng.random(n) < skill, label, guess)
    logp = rng.normal(-6, 0.3, (n, 3))
    logp[np.arange(n), answer] += 2
    table = pd.DataFrame({"id": np.arange(n), "cluster": np.arange(n) // 3, "target": label.astype("int8")})
    table[["logp_0", "logp_1", "logp_2"]] = logp.astype("float32")
    invalid = rng.random(n) < 0.1
    return table.assign(greedy=(15 + answer).astype("int32"), greedy_label=np.where(invalid, -1, answer).astype("int8"))


def write_predictions(place: Path, skill: dict[str, float | None], view: str, *stream: str | int) -> None:
    for language, amount in skill.items():
        for split in PREMISES:
            path = place / view / f"{language}.{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            predictions(amount, split, view.removeprefix("nli/"), language, *stream).to_parquet(path)
        write_json(place / view / "provenance.json", provenance(12.5))


def write_tags(path: Path, wrong: float) -> None:
    """Sentences of three words with one entity, of which this share is not found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sentence, target = np.repeat(np.arange(50), 3), np.tile(["B-PER", "I-PER", "O"], 50)
    predicted = np.where(sentence < 50 * wrong, "O", target)
    table = pd.DataFrame({"id": sentence, "cluster": sentence, "word": np.tile([0, 1, 2], 50), "target": target})
    table.assign(predicted=predicted).to_parquet(path)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def provenance(seconds: float) -> dict[str, object]:
    packages = {"torch": "2.0.0", "transformers": "4.0.0", "numpy": "2.0.0"}
    return {
        "key": {"code": "0123456789abcdef", "config": {"lr": 5e-5}},
        **{"inputs": {}, "outputs": {}, "facts": {}, "started": "2026-01-01T00:00:00+00:00", "seconds": seconds},
        **{"peak_memory_mb": 512, "host": "node", "python": "3.12.0", "packages": packages, "git_commit": None},
    }


def write_run(study: Path, variant: str, train: str, skill: dict[str, float | None], seed: int = 0) -> None:
    path = f"toy/nli/full/{variant}/{train}/seed{seed}"
    view = "nli/hypothesis" if variant == "blind" else "nli/full"
    write_predictions(study / "predictions" / path, skill, view, variant, train, seed)
    languages = TRAINED[train]
    recipe = {"lr": 5e-5 if variant == "baseline" else 1e-3, "batch_size": 4, "epochs": 1, "weight_decay": 0.01, "warmup": 0}
    recipe |= {"schedule": "constant", "dropout": 0.1, "precision": "fp32", "view": view.removeprefix("nli/")}
    rows = 2000 * len(languages)
    model = study / "models" / path
    write_json(
        model / "training.json",
        {
            **{"rows": rows, "examples": rows, "updates": rows // 4, "tokens": rows * 60, "train_loss": 1.05, "best_epoch": 1},
            **{"dev_accuracy": 0.4, "parameters": 6_900_000, "seconds": 30.0 * len(languages), "languages": languages},
            **{"recipe": recipe, "model_bytes": 27_600_000, "peak_memory_mb": 900, "device": "cpu"},
        },
    )
    write_json(model / "provenance.json", provenance(31.0))
    steps = np.arange(100, 2100, 100)
    curve = pd.DataFrame({"step": steps, "epoch": 1, "examples": steps * 4, "lr": recipe["lr"], "loss": 1.1 - steps / 2e4})
    curve.to_csv(model / "curve.csv", index=False)
    pd.DataFrame({"epoch": [1], "language": ["en"], "accuracy": [0.4], "n": [180]}).to_csv(model / "dev.csv", index=False)


def write_study(root: Path) -> Path:
    """Writes the whole study under `root`; returns its folder."""
    study = root / "results" / "synthetic"
    for (variant, train), skill in SKILL.items():
        write_run(study, variant, train, skill)
    write_run(study, "lr_high", "en", SKILL["lr_high", "en"], seed=1)
    for seed in (0, 1):
        place = study / f"predictions/toy/nli/full/lr_high/en/seed{seed}"
        write_predictions(place, {"en": 0.1, "es": 0.0, "de": 0.0, "ar": 0.0, "th": None}, "nli/shuffled", "lr_high", seed)
    for language, wrong in (("en", 0.2), ("es", 0.6)):
        write_tags(study / f"predictions/toy/tagging/full/lr_high/en/seed0/tagging/full/{language}.test.parquet", wrong)
        write_tags(study / f"predictions/toy/none/none/none/none/seed0/tagging/full/{language}.test.parquet", 0.9)
    write_predictions(study / "predictions/toy/none/none/none/none/seed0", dict.fromkeys(LANGUAGES, 0.0), "nli/full", "none")
    write_fertility(study / "fertility/bpe/nli.csv")
    figures = {"parameters": 6_800_000, "lines": 900, "tokens": 50_000, "updates": 675, "seconds": 20.0, "train_loss": 6.1}
    figures |= {"validation_loss": 6.4, "validation_perplexity": 601.8, "published_loss": 4.2, "positions_seen": 128}
    write_json(study / "pretrained/toy/pretrain.json", figures)
    write_json(study / "pretrained/toy/provenance.json", provenance(20.0))
    steps = np.arange(25, 676, 25)
    validation = [7.1 if step == 225 else 6.6 if step == 450 else 6.4 if step == 675 else None for step in steps]
    curve = pd.DataFrame({"step": steps, "epoch": np.ceil(steps / 225).astype(int), "loss": 9 - steps / 250})
    curve.assign(validation_loss=validation, published_loss=7 - steps / 300).to_csv(
        study / "pretrained/toy/curve.csv", index=False
    )
    generations = [
        {
            "prompt": "The weather is",
            "model": "toy",
            "continuation": " the the <b>of</b>",
            "stopped_by": "length",
            "chosen": "greedy",
        },
        {"prompt": "مرحبا", "model": "toy", "continuation": " สวัสดี 你好", "stopped_by": "end of text", "chosen": "greedy"},
    ]
    write_json(study / "generate/generations.json", generations)
    parity = {"model": "toy", "max_difference": 2.4e-6, "tolerance": 1e-4, "transformers": "4.0.0", "passed": True}
    write_json(study / "parity/toy.json", parity)
    write_json(study / "select/proposal.json", proposal())
    for language in LANGUAGES:
        splits = {
            split: {"rows": 3 * count, "used": 3 * count, "unusable": 0, "targets": [count] * 3}
            for split, count in PREMISES.items()
        }
        write_json(study / f"corpus/nli/{language}.json", {"language": language, "splits": splits})
        cut = {"rows": 900, "premise_cut": 1, "hypothesis_cut": 0, "mean_tokens": 61.5, "beyond_pretraining": 0.02}
        counts = {"language": language, "view": "full", "splits": {"test": cut}}
        write_json(study / f"tokens/bpe/nli/full/{language}.json", counts)
    return study


def write_likelihood(study: Path, run: str, language: str, nats: np.ndarray, size: int, first: int = 0) -> None:
    """How likely a run finds sentences of so many bytes, whose ids go on from the first."""
    path = study / f"likelihood/{run}/{language}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.arange(first, first + len(nats))
    pd.DataFrame({"id": ids, "cluster": ids, "nats": nats, "tokens": 10, "bytes": size}).to_parquet(path)


def write_fertility(path: Path) -> None:
    rows = []
    for language, words in FERTILITY.items():
        for text in ("train", "dev") if language in ("en", "es", "ar") else ("dev",):
            counts = {"rows": 180, "words": 1000, "tokens": int(1000 * words), "characters": 5000, "bytes": 6000}
            measures = {"tokens_per_word": words, "tokens_per_character": words / 5, "bytes_per_token": 6 / words}
            premium = words / FERTILITY["en"] if text == "dev" else None
            errors = {"tokens_per_word_se": 0.01 * words, "token_premium_se": 0.01}
            rows.append({"language": language, "text": text} | counts | measures | {"token_premium": premium} | errors)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)


def proposal() -> dict[str, object]:
    entries = [
        {"language": language, "dev_accuracy": 0.42, "low": 0.37, "high": 0.47, "p_holm": 0.001, "tokens_per_word": words}
        | {"token_premium": words / 1.24, "tier": 1 if words < 2.2 else 3, "selected": words < 2.2, "reason": "stated <here>"}
        for language, words in FERTILITY.items()
        if language != "en"
    ]
    return {"strategy": "carryover", "thresholds": {"alpha": 0.05}, "listed": ["en", "es", "ar", "joint"], "languages": entries}


def run_script(name: str, config: dict[str, object], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]]) -> None:
    """Runs a script as a rule does. Fails with its last lines."""
    command = [sys.executable, str(ROOT / f"workflow/scripts/{name}.py"), "--key", json.dumps({"config": config, "code": "0"})]
    command += job_arguments(inputs, outputs)
    command += ["--provenance", str(next(iter(outputs.values()))[0].parent / "provenance.json")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT / "workflow")},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def tables_of(study: Path) -> list[Path]:
    return [study / f"transfer/tables/{name}.csv" for name in CHAPTER.tables]


def figures_of(study: Path, suffix: str) -> list[Path]:
    return [study / f"transfer/figures/{name}.{suffix}" for name in CHAPTER.figures]


def drawing(look: dict[str, object]) -> dict[str, object]:
    """The slice of the config that draws the chapter's figures."""
    functions = CHAPTER.functions(Figure)
    return {"figures": {"transfer": functions}, "parts": parts({"transfer": functions.values()}), "look": look}


def make_tables(study: Path, config: dict[str, object] = CONFIG) -> dict[str, pd.DataFrame]:
    """Runs the chapter's tables script on a study; returns its tables as a reader of the CSV files sees them."""
    inputs = {
        "predictions": sorted(path for path in study.glob("predictions/*/*/*/*/*/*/*/*") if path.is_dir()),
        "likelihoods": sorted(study.glob("likelihood/**/*.parquet")),
        "training": sorted(study.glob("models/**/training.json")),
        "curves": sorted(study.glob("models/**/curve.csv")),
        "fertility": sorted(study.glob("fertility/*/*.csv")),
        "published": sorted(ROOT.glob("data/published/*.csv")),
        "corpus": sorted(study.glob("corpus/*/*.json")),
        "tokens": sorted(study.glob("tokens/*/*/*/*.json")),
        "pretrain": sorted(study.glob("pretrained/*/pretrain.json")),
        "pretraining_curves": sorted(study.glob("pretrained/*/curve.csv")),
        "taken_over": [path for path in sorted(study.glob("pretrained/*/provenance.json")) if path.parent.name != "toy"],
        "proposal": sorted(study.glob("select/proposal.json")),
        "parity": sorted(study.glob("parity/*.json")),
        "generations": sorted(study.glob("generate/generations.json")),
        "languages": [ROOT / "data/languages.csv"],
    }
    functions = CHAPTER.functions(Table)
    metrics = {"metrics": sorted({name for names in CONFIG["metrics"].values() for name in names})}
    config = config | {"tables": functions, "parts": parts({"transfer": functions.values()}) | metrics}
    run_script("transfer_tables", config, inputs, {"tables": tables_of(study)})
    return {path.stem: read_csv(path) for path in tables_of(study)}


def make_figures(study: Path, look: dict[str, object] = LOOK) -> None:
    inputs = {"tables": tables_of(study), "languages": [ROOT / "data/languages.csv"]}
    outputs = {"figures": figures_of(study, "svg"), "data": figures_of(study, "csv")}
    run_script("figures", drawing(look), inputs, outputs)


def make_report(study: Path, config: dict[str, object] = CONFIG) -> str:
    inputs = {
        "chapters": [FOLDER / "transfer" / FILE],
        "tables": tables_of(study),
        "figures": figures_of(study, "svg"),
        "data": figures_of(study, "csv"),
        "training": sorted(study.glob("models/**/training.json")),
        "made": sorted(study.glob("**/*provenance.json")),
        "templates": sorted(path for path in (ROOT / "report").rglob("*") if path.is_file()),
        "languages": [ROOT / "data/languages.csv"],
        "plan": sorted(study.glob("plan/plan.csv")),
        "matrix": sorted(study.glob("blast_radius.csv")),
    }
    captions = [study / f"captions/transfer-{name}.rst" for name in CHAPTER.figures]
    outputs = {"report": [study / "report.html"], "jobs": [study / "jobs.csv"], "captions": captions}
    run_script("report", config | {"parts": parts({"transfer": CHAPTER.said})}, inputs, outputs)
    return (study / "report.html").read_text(encoding="utf-8")
