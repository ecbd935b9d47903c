"""What tests of planning share."""

import pytest


@pytest.fixture
def least() -> dict:
    """A configuration with no more than it must have."""
    return {
        "study": "least",
        "languages": ["en"],
        "fetch": {"files": {name: {"path": name, "url": name} for name in ("xnli", "xnli_mt", "pretrain_text")}},
        "tasks": {"nli": {"train_languages": ["en"], "expected_rows": {"dev": 6}}},
        "tokenizers": {"bpe": {"source": "train"}},
        "models": {"toy": {"source": "pretrain", "tokenizer": "bpe"}},
        "finetune": {"model": "toy", "runs": [{"variant": "baseline", "train": "en"}], "recipe": {"lr": 0.5}},
    }
