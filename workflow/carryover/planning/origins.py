"""Where the files of a study come from: downloads, the embedded corpus, and the files that each model is made of.

Pure functions of entries of the resolved config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUILT = "mini:"  # the scheme of what is built here from the embedded corpus
OWN_TOKENIZER = ("directory", "package", "hub")  # sources of models that bring their own


def built_here(entry: Mapping[str, Any]) -> str | None:
    """The name of the built file that an entry of `fetch.files` stands for; None for what comes from elsewhere."""
    url = entry.get("url") or ""
    return url.removeprefix(BUILT) if url.startswith(BUILT) else None


def brings_tokenizer(model: Mapping[str, Any]) -> bool:
    """Whether a model's source holds its tokeniser too."""
    return model["source"] in OWN_TOKENIZER


def files_of_model(model: Mapping[str, Any]) -> list[str]:
    """The names in `fetch.files` that a model is made of."""
    return [model[name] for name in {"fetch": ("config", "weights"), "package": ("weights",)}.get(model["source"], ())]


def snapshot(model: Mapping[str, Any], downloads: str) -> str:
    """The folder that a model of the hub is fetched into."""
    return f"{downloads}/hub/{model['repo']}/{model['revision']}"
