"""The files of a model's directory, put together from those that a source has: the same few for every model.

Hubs and directories hold weights in one file or in several with an index, chat templates in a file of their own, and settings
of generation or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carryover.runtime import files
from carryover.runtime.errors import BadInput

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TEMPLATE, GENERATION, TOKENIZER_CONFIG = "chat_template.jinja", "generation_config.json", "tokenizer_config.json"
NEEDED, FURTHER = ("config.json", "tokenizer.json", TOKENIZER_CONFIG), (GENERATION, TEMPLATE)
ENDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def assemble(sources: Mapping[str, Path], directory: Path) -> None:
    """Writes config.json, model.safetensors, generation_config.json and the tokeniser's files into a directory, each whole.

    sources: the files of the source by their names in Hugging Face directories. Raises BadInput where one is missing or damaged.
    """
    for name in NEEDED:
        if name not in sources:
            raise BadInput(f"{directory}: its source has no {name}")
    config = read_json(sources["config.json"])
    files.copy(sources["config.json"], directory / "config.json")
    files.copy(sources["tokenizer.json"], directory / "tokenizer.json")
    if TEMPLATE in sources:
        template = sources[TEMPLATE].read_text(encoding="utf-8")
        files.write_json(directory / TOKENIZER_CONFIG, {**read_json(sources[TOKENIZER_CONFIG]), "chat_template": template})
    else:
        files.copy(sources[TOKENIZER_CONFIG], directory / TOKENIZER_CONFIG)
    if GENERATION in sources:
        files.copy(sources[GENERATION], directory / GENERATION)
    else:
        files.write_json(directory / GENERATION, {name: config[name] for name in ENDS if config.get(name) is not None})
    if WEIGHTS in sources:
        files.copy(sources[WEIGHTS], directory / WEIGHTS)
    elif INDEX in sources:
        join(sources[INDEX], sources, directory / WEIGHTS)
    else:
        raise BadInput(f"{directory}: its source has no safetensors; pickled weights are never loaded")


def in_directory(directory: Path) -> list[Path]:
    """The files of a model's directory: its weights in one file or in those that an index lists, and what else is there."""
    weights = [WEIGHTS]
    if (directory / INDEX).is_file() and not (directory / WEIGHTS).exists():
        weights = [INDEX, *parts_of(directory / INDEX)]
    further = [name for name in FURTHER if (directory / name).is_file()]
    return [directory / name for name in ("config.json", *weights, *NEEDED[1:], *further)]


def parts_of(index: Path) -> list[str]:
    """The names of the files that an index of weights lists. Raises BadInput where it is none."""
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
    except (KeyError, AttributeError, TypeError) as error:
        raise BadInput(f"{index}: not an index of safetensors (no weight_map)") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise BadInput(f"{index}: {name!r} is no name of a safetensors file beside it")
    return names


def join(index: Path, sources: Mapping[str, Path], target: Path) -> None:
    """Writes the tensors of the files that an index lists into one, whole; they are as many as the index says."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    for name in parts_of(index):
        if name not in sources:
            raise BadInput(f"{index}: lists {name}, which is not there")
        with files.reading(sources[name]), safe_open(sources[name], "pt") as part:
            tensors |= {tensor: part.get_tensor(tensor) for tensor in part.keys()}  # noqa: SIM118
    if lacking := sorted(set(read_json(index)["weight_map"]) - set(tensors)):
        raise BadInput(f"{index}: lists {lacking[0]}, which no file has ({len(lacking)} missing)")
    with files.whole(target) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file. Raises BadInput where it is none."""
    with files.reading(path):
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise TypeError("not a mapping")
    return stored
