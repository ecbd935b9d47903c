"""Shared by the tests: models whose weights are far from their initialisation, their transformers twins, sets of prompts."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Config, GPT2Model
from carryover.training.loop import Recipe
from study_runner import finished_mini

SMALL = {"vocab_size": 97, "n_positions": 48, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 56, "eos_token_id": 96}

# For the fixture alone: a study of a test that found the published files there would be another study.
# Processes that share the tests get it under another name from the one that starts them.
MIRROR = os.environ.setdefault("MIRROR_OF_TESTS", os.environ.pop("CARRYOVER_MIRROR", ""))
os.environ.pop("CARRYOVER_MIRROR", None)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums in the same order on every machine, and the other cores left to whoever needs them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The directory of the published files; a test that asks for it is skipped where there is none."""
    if not MIRROR:
        pytest.skip("CARRYOVER_MIRROR is not set: no published files to read")
    return Path(MIRROR)


@pytest.fixture(scope="module")
def mini_study(tmp_path_factory) -> Path:
    """A project of the file's own in which the mini study has run to its end, which happens once."""
    return finished_mini(tmp_path_factory.mktemp("mini") / "study")


# Files that take longest, first: a process that is done takes the next one, and none idles while another works off a long one.
LONGEST_FIRST = [
    *("pipeline/test_pipeline.py", "slurm/test_on_slurm.py", "training/test_distributed.py", "tools/test_blast.py"),
    *("pipeline/test_seams.py", "pipeline/test_faults_study.py", "pipeline/test_killed_study.py", "pipeline/test_resume.py"),
    *("pipeline/test_browser.py", "pipeline/test_reruns.py", "test_wheel.py", "tools/test_adopt.py", "pipeline/test_scale.py"),
    *("data/test_mini_text.py", "data/test_mini.py", "runtime/test_leases.py", "methods/test_lora.py"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of LONGEST_FIRST, then as collected; the tests of a file as they stand in it."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST_FIRST)}
    assert all(path.is_file() for path in places)
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def make_model() -> Callable[..., GPT2Model]:
    """A factory of small models in eval mode, without dropout. Every weight is random, biases and layer norms too: what is
    left out, swapped or transposed shows."""

    def make(seed: int = 0, std: float = 0.15, **shape) -> GPT2Model:
        model = GPT2Model(GPT2Config(**{**SMALL, "dropout": 0.0, **shape})).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                centre = 1.0 if "norm.weight" in name else 0.0
                parameter.copy_(centre + std * torch.randn(parameter.shape, generator=generator))
        return model

    return make


@pytest.fixture
def twin(tmp_path) -> Callable[[GPT2Model], torch.nn.Module]:
    """A factory of transformers' GPT2LMHeadModel with the weights of one of ours, by way of a model directory."""
    import transformers

    def make(model: GPT2Model) -> torch.nn.Module:
        directory = tmp_path / f"twin-{len(list(tmp_path.glob('twin-*')))}"
        model.save_pretrained(directory)
        return transformers.GPT2LMHeadModel.from_pretrained(directory, use_safetensors=True).eval()

    return make


@pytest.fixture(scope="session")
def make_prompts() -> Callable[..., XNLIDataset]:
    """A factory of tokenised prompts: `premises` of them, one to four prompts each, in a random order."""

    def make(premises: int, seed: int = 0, vocabulary: int = 90, longest: int = 12) -> XNLIDataset:
        rng = np.random.default_rng(seed)
        rows = []
        for premise in range(premises):
            beginning = rng.integers(0, vocabulary, rng.integers(1, longest + 1))
            for _ in range(rng.integers(1, 5)):
                rows.append((premise, np.append(beginning, rng.integers(0, vocabulary, rng.integers(1, longest + 1)))))
        rows = [rows[place] for place in rng.permutation(len(rows))]
        return XNLIDataset(
            ids=np.concatenate([ids for _, ids in rows]).astype(np.int32),
            offsets=np.cumsum([0, *(len(ids) for _, ids in rows)]),
            row_ids=np.arange(len(rows)) + 1000,
            clusters=np.array([premise for premise, _ in rows]),
            targets=rng.integers(0, 3, len(rows)),
            candidates=np.array([vocabulary + 2, vocabulary, vocabulary + 1]),
        )

    return make


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Recipe]:
    """A factory of recipes: plain fp32 at a constant learning rate, but for what is asked."""

    def make(**changes) -> Recipe:
        plain = {"lr": 1e-3, "batch_size": 4, "epochs": 1, "weight_decay": 0.01, "betas": (0.9, 0.999), "eps": 1e-6}
        return Recipe(**{**plain, "warmup": 0.0, "schedule": "constant", "clip": 0.0, "precision": "fp32", **changes})

    return make
