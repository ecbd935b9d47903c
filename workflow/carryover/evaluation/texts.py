"""Texts from prompts: what a model goes on with, until its end of text or a string that stops it, plainly or as a chat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from carryover.evaluation.generation import GREEDY, Finished, Sampling, generate, never
from carryover.models.interface import LanguageModel
from carryover.models.quiet import quiet
from carryover.runtime.errors import BadInput

STOPPED = "stop string"


class Text(NamedTuple):
    """A continuation, up to the first stop string in it; the token ids that were generated, with those of a stop string and
    without end of text; and what stopped them: `end of text`, `length` or `stop string`."""

    text: str
    tokens: list[int]
    stopped_by: str


def continue_texts(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling = GREEDY,
    seed: int = 0,
    stop: Sequence[str] = (),
) -> list[Text]:
    """What a model goes on with after each prompt, token ids; see `generate`.

    stop: strings of which the first one that is whole ends a text, however the tokens cut it. Raises BadInput for an empty one.
    """
    if "" in stop:
        raise BadInput("an empty string stops a text before it begins; leave it out of the stop strings")
    found = generate(model, prompts, max_new_tokens, sampling, seed, _stopping(tokenizer, stop) if stop else never)
    return [Text(_before(tokenizer.decode(tokens), stop), tokens, stopped_by) for tokens, stopped_by in found]


def _stopping(tokenizer: Tokenizer, stop: Sequence[str]) -> Finished:
    def finished(tokens: list[int]) -> str | None:
        text = tokenizer.decode(tokens)  # all of it: a token alone can be a part of a character
        return STOPPED if any(string in text for string in stop) else None

    return finished


def _before(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of these strings in it."""
    return text[: min((text.index(string) for string in stop if string in text), default=len(text))]


def as_chat(directory: Path, texts: Sequence[str]) -> list[str]:
    """Texts as a user's turn in the chat template of the tokeniser in this directory, up to where the assistant's begins.

    The template writes all tokens that a prompt has, as text. Raises BadInput where the tokeniser has none or it fails.
    """
    from transformers import AutoTokenizer  # here, since its import takes longer than a small model's text

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        if tokenizer.chat_template is None:
            raise BadInput(f"{directory}: its tokeniser has no chat template; name an instruction-tuned model, or chat: false")
        turns = [[{"role": "user", "content": text}] for text in texts]
        return [str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)) for turn in turns]
    except BadInput:
        raise
    except Exception as error:  # whatever transformers and Jinja raise, it is about this directory
        raise BadInput(f"{directory}: its chat template fails ({' '.join(str(error).split())[:300]})") from error
