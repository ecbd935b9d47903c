"""Which downloaded files the rows of a task are read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carryover.runtime.errors import BadInput


def source_names(config: Mapping[str, Any], task: str, language: str, splits: Sequence[str]) -> list[str]:
    """The names in `fetch.files` for these splits of a language: one for all of them, or one each, in their order.

    A task's `training` names the source of the split `train`, `evaluation` that of the others; `{language}` and `{split}` in
    such a name stand for what is asked. Raises BadInput for a name that is not in `fetch.files`.
    """
    names = []
    for split in splits:
        key = "training" if split == "train" else "evaluation"
        name = config["tasks"][task][key].replace("{language}", language).replace("{split}", split)
        if name not in config["fetch"]["files"]:
            raise BadInput(f"config: tasks.{task}.{key}: no file {name!r} in fetch.files ({split} of {language})")
        names.append(name)
    return list(dict.fromkeys(names))
