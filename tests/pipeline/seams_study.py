"""A study of a few dozen rows with two models, two methods and two tasks: what it is made of."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml

from carryover.data import tokenizer
from carryover.models.gpt2 import GPT2Config, GPT2Model
from study_runner import PROJECT

LANGUAGES = ["en", "de"]
LABELS = ("entailment", "contradiction", "neutral")
SPLITS = {"dev": slice(0, 10), "test": slice(10, 26), "train": slice(26, 46)}  # of the embedded corpus' hand-written items
FILES = {"nli": "nli.zip", "names": "names.zip", "pretrain_text": "text.txt"}
STUDY: dict[str, Any] = {
    "study": "seams",
    "languages": LANGUAGES,
    "fetch": {"files": {name: {"path": f"seams/{path}", "url": path, "first_use": True} for name, path in FILES.items()}},
    "tokenizers": {"bpe": {"source": "train", "vocabulary": 500}},
    "models": {
        "toy": {"source": "pretrain", "tokenizer": "bpe"},
        "llama": {"source": "directory", "path": "elsewhere/llama", "implementation": "hugging_face"},
        "other": {"source": "directory", "path": "elsewhere/gpt2"},
    },
    "tasks": {
        "nli": {
            "evaluation": "nli",
            "training": "nli",
            "train_languages": ["en", "de"],
            "expected_rows": {"train": 60, "dev": 30, "test": 48},
            "subset": 48,
            "max_length": 256,
        },
        "tagging": {"evaluation": "names", "training": "names", "train_languages": ["en"], "max_length": 96},
    },
    "pretrain": {"width": 32, "layers": 2, "heads": 2, "feed_forward": 64, "positions": 256, "recipe": {"epochs": 1}},
    "generate": {"models": ["toy", "llama"], "max_new_tokens": 4},
    "finetune": {
        "model": "toy",
        "recipe": {"lr": 3.0e-3, "batch_size": 8, "epochs": 1, "dropout": 0.0},
        "variants": {"low_rank": {"method": "lora", "lr": 0.02}, "narrow": {"method": "lora", "lora": {"rank": 2}}},
        "sets": {},
        "runs": [
            {"variant": "baseline", "train": "en"},
            {"variant": "low_rank", "train": "en"},
            {"variant": "narrow", "train": "de"},
            {"variant": "baseline", "train": "en", "model": "llama"},
            {"variant": "low_rank", "train": "en", "model": "llama"},
            {"variant": "baseline", "train": "en", "task": "tagging"},
            {"variant": "low_rank", "train": "en", "task": "tagging", "model": "llama"},
        ],
        "keep": ["baseline", "low_rank"],
        "threads": 1,
    },
    "likelihood": {"models": ["llama"], "variants": ["low_rank", "narrow"], "rows": 8},
    "predict": {"as_they_are": ["toy", "llama", "other"], "shuffled": False, "threads": 1},
    "statistics": {"resamples": 200},
    "plan": {"machine": "cpu2"},
    "report": {"not_comparable_because": "random weights and a few dozen rows"},
}
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def write(project: Path) -> tuple[str, ...]:
    """Writes the study's data, models and overlay into a clone; returns what Snakemake is told."""
    write_nli(project / FILES["nli"])
    with zipfile.ZipFile(project / FILES["names"], "w") as archive:
        for path in (PROJECT / "tests/tagging").glob("*.tsv"):
            archive.write(path, f"names/{path.name}")
    lines = [text for item in items("en") for text in (item["premise"], *(item[label] for label in LABELS))]
    (project / FILES["pretrain_text"]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_llama(project / "elsewhere/llama", project / FILES["pretrain_text"], vocabulary=700)
    write_gpt2(project / "elsewhere/gpt2", project / FILES["pretrain_text"], vocabulary=400)
    return overlay(project, "seams.yaml", STUDY)


def overlay(project: Path, name: str, study: dict[str, Any]) -> tuple[str, ...]:
    (project / name).write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return ("--configfile", name)


def items(language: str) -> list[dict[str, str]]:
    """Hand-written items of the embedded corpus, the same in every language."""
    with (PROJECT / f"data/mini/core/{language}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_nli(path: Path) -> None:
    """An archive laid out as XNLI's."""
    with zipfile.ZipFile(path, "w") as archive:
        for split, part in SPLITS.items():
            for language in LANGUAGES if split == "train" else [""]:
                rows = ["premise\thypo\tlabel"] if language else ["language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID"]
                for own in [language] if language else LANGUAGES:
                    for number, item in enumerate(items(own)[part]):
                        for place, label in enumerate(LABELS):
                            pair = f"{item['premise']}\t{item[label]}"
                            row = f"{own}\t{label}\t{pair}\t{number}\t{3 * number + place}"
                            rows.append(f"{pair}\t{label}" if language else row)
                name = f"multinli.train.{language}.tsv" if language else f"xnli.{split}.tsv"
                archive.writestr(name, "\n".join(rows) + "\n")


def write_llama(directory: Path, text: Path, vocabulary: int, entries: int | None = None) -> None:
    """A Llama at random weights with a tokeniser of its own. vocabulary: of the tokeniser, and of the model where `entries` does
    not say otherwise."""
    made = tokenizer.train_bpe(text, vocabulary)
    own = transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token=tokenizer.END_OF_TEXT)
    torch.manual_seed(1)
    end = tokenizer.end_of_text(made)
    config = transformers.LlamaConfig(**LLAMA, vocab_size=entries or vocabulary, bos_token_id=end, eos_token_id=end)
    transformers.LlamaForCausalLM(config).save_pretrained(directory, safe_serialization=True)
    own.save_pretrained(directory)


def write_gpt2(directory: Path, text: Path, vocabulary: int) -> None:
    """A GPT-2 at random weights, with a tokeniser of its own."""
    torch.manual_seed(2)
    config = GPT2Config(vocab_size=vocabulary, n_positions=256, n_embd=32, n_layer=1, n_head=2, n_inner=48, eos_token_id=0)
    GPT2Model(config).save_pretrained(directory)
    tokenizer.save(tokenizer.train_bpe(text, vocabulary), directory)
