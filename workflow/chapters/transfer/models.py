"""Where the models come from that this study did not pretrain: what their files say of themselves, and what was lost before."""

from __future__ import annotations

from typing import Any

import pandas as pd

from carryover.reporting.formatting import Words, whole
from carryover.reporting.phrases import Tables, rounded
from chapters.transfer.sources import TransferStudy
from chapters.transfer.tables import frame


def models(study: TransferStudy) -> pd.DataFrame:
    """Each model that was taken over: its parameters, its own name, license and languages where its file states them, and how
    many of its weights were rounded to how many bits."""
    columns = ["model", "parameters", "stated_name", "license", "stated_languages", "rounded"]
    return frame((_model(name, facts) for name, facts in sorted(study.records.taken_over.items())), columns)


def _model(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    stated = facts.get("gguf", {})
    return {
        "model": name,
        "parameters": facts["parameters"],
        "stated_name": stated.get("name"),
        "license": stated.get("license"),
        "stated_languages": " ".join(stated.get("languages") or []) or None,
        "rounded": rounded(stated.get("quantised", {})),
    }


def origins(tables: Tables, words: Words) -> list[str]:
    """What has to be known of each such model before its numbers are read."""
    said = []
    for row in tables["models"].to_dict("records"):
        if isinstance(row["rounded"], str):
            said.append(
                f"The {whole(row['parameters'])} weights of {row['model']} had been rounded before this study had them, "
                f"{row['rounded']}: its numbers are those of the rounded model."
            )
        if isinstance(row["stated_languages"], str):
            named = words.languages(row["stated_languages"].split())
            said.append(f"That {row['model']} was pretrained on {named} is what its file states; its text was not seen here.")
        else:
            said.append(f"What {row['model']} was pretrained on is its makers' word; its text was not seen here.")
    return said
