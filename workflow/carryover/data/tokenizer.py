"""Tokenisers: GPT-2's byte-level BPE, from published files or trained here on text, and those that models bring.

A tokeniser is a directory that transformers opens: `tokenizer.json` and `tokenizer_config.json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from carryover.runtime import files
from carryover.runtime.errors import BadInput

END_OF_TEXT = "<|endoftext|>"
FILES = ("tokenizer.json", "tokenizer_config.json")


def from_files(vocab: Path, merges: Path) -> Tokenizer:
    """The tokeniser of published `vocab.json` and `merges.txt`. Raises BadInput where they do not fit together."""
    try:
        tokenizer = _byte_level(models.BPE.from_file(str(vocab), str(merges)))
    except Exception as error:  # the Rust library raises bare Exception
        raise BadInput(f"{vocab} and {merges}: not a BPE vocabulary and its merges ({error})") from error
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def train_bpe(text: Path, vocabulary: int) -> Tokenizer:
    """A byte-level BPE of `vocabulary` entries, trained on the lines of a UTF-8 file; all 256 bytes are entries."""
    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(read_lines(text), trainer)
    return tokenizer


def read_lines(text: Path) -> list[str]:
    """The non-empty lines of a UTF-8 file, ended by `\\n`, stripped. Raises BadInput naming the first bad line."""
    lines = []
    for number, content in enumerate(text.read_bytes().split(b"\n"), start=1):
        try:
            line = content.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise BadInput(f"{text}, line {number}: not UTF-8 ({error.reason})") from error
        if line:
            lines.append(line)
    if not lines:
        raise BadInput(f"{text}: no text in it")
    return lines


def _byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def save(tokenizer: Tokenizer, directory: Path) -> None:
    """Writes the directory, whole."""
    files.write_text(directory / FILES[0], tokenizer.to_str())
    config = {
        "tokenizer_class": "GPT2TokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    files.write_json(directory / FILES[1], config)


def copy_tokenizer(model_files: Iterable[Path], directory: Path) -> None:
    """Puts the tokeniser's files among these into a model's directory, whole."""
    for path in model_files:
        if path.name in FILES:
            files.copy(path, directory / path.name)


def load(path: Path) -> Tokenizer:
    """The tokeniser in a `tokenizer.json`. Raises BadInput where it is none."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise BadInput(f"{path}: not a tokeniser ({error})") from error


def end_of_text(tokenizer: Tokenizer) -> int:
    """The id of the end-of-text token. Raises BadInput where the tokeniser has none."""
    token = tokenizer.token_to_id(END_OF_TEXT)
    if token is None:
        raise BadInput(f"the tokeniser has no {END_OF_TEXT}")
    return token


def beginning(tokenizer: Tokenizer) -> list[int]:
    """The ids that the tokeniser's own use puts before a text: a beginning-of-text token, or none."""
    alone, used = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    places = [place for place in range(len(used)) if used[place : place + len(alone)] == alone]
    return used[: places[0]] if places else []
