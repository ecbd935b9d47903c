"""A model in a GGUF file, as a Hugging Face directory in fp32: transformers converts, and the `gguf` library says what was in it.

Weights that were rounded to a few bits stay rounded: what they were before is not in the file.
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from carryover.data.model_files import TOKENIZER_CONFIG, assemble, read_json
from carryover.models.quiet import quiet
from carryover.planning.facts import facts_of
from carryover.runtime import files
from carryover.runtime.errors import BadInput

# How text is cut before byte-pair encoding, by the file's own name for it. transformers cuts at the words of GPT-2 alone.
CUTS = {"gpt-2": None, "smollm": pre_tokenizers.Digits(individual_digits=True)}
OF_THIS_MACHINE = ("backend", "is_local", "local_files_only")  # which transformers writes beside what it is told
PLAIN = ("F32", "F16", "BF16")  # types of tensors that were not quantised


def convert(path: Path, directory: Path) -> dict[str, Any]:
    """Writes config.json, model.safetensors, generation_config.json, tokenizer.json and tokenizer_config.json (the chat
    template in it) into a directory, and returns what `describe` says of the file.

    Raises BadInput for a file that is none, an architecture that is not known here, and a tokeniser that was not tried.
    """
    described = describe(path)
    if described["pre_tokenizer"] not in CUTS:
        known = ", ".join(CUTS)
        raise BadInput(f"{path}: its tokeniser cuts text as {described['pre_tokenizer']!r}; tried here are {known}")
    try:
        with _without_bars():
            here: Any = {"gguf_file": path.name, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **here)
            quantised = AutoModelForCausalLM.from_pretrained(path.parent, **here, dtype=torch.float32)
    except Exception as error:  # whatever transformers raises, it is about this file
        raise BadInput(f"{path}: transformers cannot convert it ({' '.join(str(error).split())[:300]})") from error
    config = quantised.config
    del config.quantization_config  # with it transformers would neither save the model nor let it be trained
    try:
        facts_of(config.to_dict())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(quantised.state_dict())
    model.generation_config = GenerationConfig.from_model_config(config)
    with tempfile.TemporaryDirectory(dir=directory) as scratch, _without_bars():
        model.save_pretrained(scratch, max_shard_size="1TB")
        _save_tokenizer(tokenizer, CUTS[described["pre_tokenizer"]], Path(scratch))
        assemble({file.name: file for file in Path(scratch).iterdir()}, directory)
    return described


def describe(path: Path) -> dict[str, Any]:
    """What a GGUF file says of itself: architecture, name, license, languages, pre_tokenizer; tensors by their type; and
    `quantised`, the weights that were rounded, by type. Raises BadInput where it is none."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except Exception as error:  # the library raises ValueError, IndexError and others
        raise BadInput(f"{path}: not a GGUF file, or cut off ({' '.join(str(error).split())[:200]})") from error

    def stated(name: str) -> Any:
        field = reader.get_field(name)
        return None if field is None else field.contents()

    weights: Counter[str] = Counter()
    for tensor in reader.tensors:
        weights[tensor.tensor_type.name] += int(tensor.n_elements)
    return {
        "architecture": stated("general.architecture"),
        "name": stated("general.name"),
        "license": stated("general.license"),
        "languages": stated("general.languages"),
        "pre_tokenizer": stated("tokenizer.ggml.pre"),
        "tensors": dict(Counter(tensor.tensor_type.name for tensor in reader.tensors)),
        "quantised": {name: count for name, count in weights.items() if name not in PLAIN},
    }


def _save_tokenizer(tokenizer: Any, cut: Any, directory: Path) -> None:
    """Writes the tokeniser's two files. cut: what to cut at before the words of GPT-2, None for nothing."""
    tokenizer.save_pretrained(directory)
    path = directory / TOKENIZER_CONFIG
    config = {name: value for name, value in read_json(path).items() if name not in OF_THIS_MACHINE}
    files.write_json(path, {**config, "tokenizer_class": "PreTrainedTokenizerFast"})
    if cut is not None:
        made = Tokenizer.from_file(str(directory / "tokenizer.json"))
        made.pre_tokenizer = pre_tokenizers.Sequence([cut, made.pre_tokenizer])
        made.save(str(directory / "tokenizer.json"))


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without transformers' messages and progress bars."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with quiet(), redirect_stderr(io.StringIO()):  # one of the bars asks nobody
            yield
    finally:
        if bars:
            logging.enable_progress_bar()
