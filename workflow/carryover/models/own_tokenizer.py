"""The tokeniser that a model from elsewhere brings, as transformers uses it: `tokenizer.json` then says all of it.

The class that `tokenizer_config.json` names may build another pipeline than the file holds, beginning-of-text token included, and
the library of tokenisers reads the file alone.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from carryover.data import tokenizer
from carryover.models.quiet import quiet
from carryover.runtime import files
from carryover.runtime.errors import BadInput

PROBES = ("a", "Premise: It's 3.5 km,  isn't it?\nLabel:", "Der Fluß – река, نهر, नदी, 河 และ 12")


def settle(directory: Path) -> None:
    """Writes the directory's tokenizer.json anew where transformers makes other ids of text, so that both make the same.

    Raises BadInput where transformers cannot open the tokeniser without code of the model's own, or where it is not a fast one.
    """
    path = directory / tokenizer.FILES[0]
    stored = tokenizer.load(path)
    try:
        with quiet():
            used = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
            wanted = [used(text).input_ids for text in PROBES]
    except Exception as error:  # whatever transformers raises, it is about this directory
        raise BadInput(f"{directory}: transformers cannot open its tokeniser ({' '.join(str(error).split())[:300]})") from error
    if [stored.encode(text).ids for text in PROBES] == wanted:
        return
    if not used.is_fast:
        raise BadInput(f"{directory}: its tokeniser is not a fast one, which tokenizer.json could hold")
    made = Tokenizer.from_str(used.backend_tokenizer.to_str())
    made.no_padding()
    made.no_truncation()
    if [made.encode(text).ids for text in PROBES] != wanted:
        raise BadInput(f"{path}: transformers makes other tokens of text than its own tokenizer.json would; not tried here")
    files.write_text(path, made.to_str())
