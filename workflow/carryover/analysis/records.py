"""Reading what the pipeline itself wrote, CSV and JSON, with one line where a file is broken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from carryover.planning.paths import System, fertility_of, run_of
from carryover.runtime.errors import BadInput


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises BadInput where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable JSON ({error})") from error


def read_csv(path: Path) -> pd.DataFrame:
    """A table of the pipeline's own; the language code `na` and the method `none` are text, only empty fields are missing."""
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a readable CSV file ({error})") from error


def read_training(paths: Iterable[Path]) -> dict[tuple[System, int], dict[str, Any]]:
    """The training record of each run."""
    return {run_of(path): read_json(path) for path in sorted(paths)}


def read_fertility(paths: Iterable[Path]) -> pd.DataFrame:
    """How finely each tokeniser cuts each language, with a column `tokenizer`."""
    return pd.concat([read_csv(path).assign(tokenizer=fertility_of(path)[0]) for path in paths], ignore_index=True)


def read_curves(paths: Iterable[Path]) -> pd.DataFrame:
    """The loss curves of training runs, one below the other, with the facts of their run in front."""
    tables = [pd.DataFrame(columns=[*System._fields, "seed"])]
    for path in sorted(paths):
        system, seed = run_of(path)
        table = read_csv(path)
        for place, (column, value) in enumerate([*system._asdict().items(), ("seed", seed)]):
            table.insert(place, column, value)
        tables.append(table)
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
