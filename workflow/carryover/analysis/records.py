"""Reading what the pipeline itself wrote, CSV and JSON, with one line where a file is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

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
