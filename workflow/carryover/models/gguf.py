"""A model in a GGUF file, as a Hugging Face directory in fp32: transformers converts, and the `gguf` library says what was in it.

Weights that were rounded to a few bits stay rounded: what they were before is not in the file.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from carryover.planning.facts import facts_of
from carryover.runtime.errors import BadInput

# How text is cut before byte-pair encoding, by the file's own name for it. transformers cuts at the words of GPT-2 alone.
CUTS = {"gpt-2": None, "smollm": pre_tokenizers.Digits(individual_digits=True)}
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
        with _quiet():
            source = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(**source)
            quantised = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
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
    model.save_pretrained(directory, max_shard_size="1TB")
    _save_tokenizer(tokenizer, CUTS[described["pre_tokenizer"]], directory)
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
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer.save_pretrained(scratch)
        made = Tokenizer.from_file(f"{scratch}/tokenizer.json")
        config = json.loads(Path(scratch, "tokenizer_config.json").read_text(encoding="utf-8"))
    if cut is not None:
        made.pre_tokenizer = pre_tokenizers.Sequence([cut, made.pre_tokenizer])
    made.save(str(directory / "tokenizer.json"))
    config.pop("is_local", None)
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": tokenizer.chat_template}
    text = json.dumps({name: value for name, value in config.items() if value is not None}, indent=2, ensure_ascii=False)
    Path(directory, "tokenizer_config.json").write_text(f"{text}\n", encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' warnings and progress bars."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
