"""Where the files of a study come from: downloads, the embedded corpus, and the files that each model is made of.

Pure functions of entries of the resolved config.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BUILT = "mini:"  # the scheme of what is built here from the embedded corpus
ON_HUB = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/")
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


def hub_name(model: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The repository of the Hugging Face hub that a model is, or whose weights it takes; None where the config names none.

    sources: the entries of `fetch.files`.
    """
    if model["source"] == "hub":
        return str(model["repo"])
    urls = (sources[name].get("url") or "" for name in files_of_model(model))
    return next((found[1] for url in urls if (found := ON_HUB.match(url))), None)


def snapshot(model: Mapping[str, Any], downloads: str) -> str:
    """The folder that a model of the hub is fetched into."""
    return f"{downloads}/hub/{model['repo']}/{model['revision']}"
