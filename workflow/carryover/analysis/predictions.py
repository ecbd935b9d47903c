"""Reading what the models left behind: predictions to arrays, training records, and which run a file belongs to.

The facts of a run are in its path, `.../<backbone>/<method>/<variant>/<train>/seed<n>/...`, after `models/` or
`predictions/`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from carryover.analysis.records import read_json
from carryover.metrics import accuracy
from carryover.metrics.bootstrap import Settings, cluster_sums, resampled_values
from carryover.runtime.errors import BadInput

LABELS = ("entailment", "contradiction", "neutral")  # by candidate index, the handout's numbers
FINE_TUNED, AS_IT_IS = "full", "none"  # methods: every weight trained, and a pretrained model as it is
LOGP = ["logp_0", "logp_1", "logp_2"]


class Model(NamedTuple):
    """What was trained, without its seed."""

    backbone: str
    method: str
    variant: str
    train: str

    @property
    def name(self) -> str:
        return "/".join(self)


class Asked(NamedTuple):
    """What a model was asked."""

    view: str
    split: str
    language: str


@dataclass(frozen=True, eq=False)
class Cell:
    """One model's answers to one test, rows in the order of their pair ids, seeds along the first axis.

    pair_id, premise, label [n]: the premise as an index 0 to C - 1; logp [S, n, 3]; greedy_label [S, n].
    """

    model: Model
    asked: Asked
    seeds: tuple[int, ...]
    pair_id: np.ndarray
    premise: np.ndarray
    label: np.ndarray
    logp: np.ndarray
    greedy_label: np.ndarray

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable candidate [S, n]."""
        return self.logp.argmax(axis=-1)

    @cached_property
    def correct(self) -> np.ndarray:
        """Where that is the gold label [S, n]."""
        return self.predicted == self.label

    @cached_property
    def sums(self) -> np.ndarray:
        """Correct rows of each premise [S, C]."""
        return cluster_sums(self.correct, self.premise)

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of each premise [C]."""
        return cluster_sums(np.ones(len(self.label)), self.premise)

    @property
    def chance(self) -> float:
        """The accuracy of the best constant answer: the share of the commonest label, 1/3 where they are balanced."""
        return float(np.bincount(self.label, minlength=len(LABELS)).max() / len(self.label))

    def one_seed(self, index: int) -> Cell:
        """The answers of one seed alone."""
        if len(self.seeds) == 1:
            return self
        keep = slice(index, index + 1)
        return Cell(
            self.model,
            self.asked,
            self.seeds[keep],
            self.pair_id,
            self.premise,
            self.label,
            self.logp[keep],
            self.greedy_label[keep],
        )

    def constant(self) -> int | None:
        """The candidate that every row got, where there is only one."""
        first = int(self.predicted.flat[0])
        return first if (self.predicted == first).all() else None

    def take(self, rows: np.ndarray) -> Cell:
        """Some of the rows [k], with their premises numbered anew."""
        premise = np.unique(self.premise[rows], return_inverse=True)[1]
        return Cell(
            self.model,
            self.asked,
            self.seeds,
            self.pair_id[rows],
            premise,
            self.label[rows],
            self.logp[:, rows],
            self.greedy_label[:, rows],
        )


Cells = dict[tuple[Model, Asked], Cell]


def run_of(path: Path, stage: str) -> tuple[Model, int, tuple[str, ...]]:
    """The model, its seed and the rest of the path, from what stands after the folder `stage`."""
    parts = path.parts
    if stage not in parts:
        raise BadInput(f"{path}: not under a folder {stage}/")
    after = parts[len(parts) - parts[::-1].index(stage) :]
    if len(after) < 6 or not after[4].removeprefix("seed").isdecimal():
        raise BadInput(f"{path}: expected {stage}/<backbone>/<method>/<variant>/<train>/seed<n>/...")
    return Model(*after[:4]), int(after[4].removeprefix("seed")), after[5:]


def files_of(paths: Iterable[Path], suffix: str) -> list[Path]:
    """The files among the paths and directly inside those that are folders, sorted."""
    found: set[Path] = set()
    for path in paths:
        found.update(path.glob(f"*{suffix}") if path.is_dir() else [path])
    return sorted(found)


def read_cells(paths: Iterable[Path], languages: list[str]) -> Cells:
    """Every prediction file of these languages, the seeds of a model together. Rows that not all seeds have are left out."""
    found: dict[tuple[Model, Asked], list[Cell]] = {}
    for path in files_of(paths, ".parquet"):
        cell = _read_predictions(path)
        if cell.asked.language in languages:
            found.setdefault((cell.model, cell.asked), []).append(cell)
    return {key: _together(sorted(cells, key=lambda cell: cell.seeds)) for key, cells in sorted(found.items())}


def _read_predictions(path: Path) -> Cell:
    model, seed, (view, name) = run_of(path, "predictions")
    language, split, _ = name.rsplit(".", 2)
    try:
        table = pd.read_parquet(path).sort_values("id", kind="stable")
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: not a readable table of predictions ({error}); delete it and run again") from error
    logp = table[LOGP].to_numpy(np.float32)
    if not len(table) or np.isnan(logp).any():
        raise BadInput(f"{path}: {'has log-probabilities that are not numbers' if len(table) else 'has no rows'}")
    return Cell(
        model,
        Asked(view, split, language),
        (seed,),
        table["id"].to_numpy(),
        np.unique(table["cluster"].to_numpy(), return_inverse=True)[1],
        table["target"].to_numpy().astype(int),
        logp[None],
        table["greedy_label"].to_numpy()[None],
    )


def _together(cells: list[Cell]) -> Cell:
    first = cells[0]
    if len(cells) == 1:
        return first
    common = first.pair_id
    for cell in cells[1:]:
        common = np.intersect1d(common, cell.pair_id)
    cells = [_rows_of(cell, common) for cell in cells]
    first = cells[0]
    return Cell(
        first.model,
        first.asked,
        tuple(cell.seeds[0] for cell in cells),
        first.pair_id,
        first.premise,
        first.label,
        np.concatenate([cell.logp for cell in cells]),
        np.concatenate([cell.greedy_label for cell in cells]),
    )


def _rows_of(cell: Cell, pair_ids: np.ndarray) -> Cell:
    if len(pair_ids) == len(cell.pair_id):
        return cell
    if not len(pair_ids):
        raise BadInput(f"{cell.model.name}: its runs share no rows of {cell.asked.language} {cell.asked.split}")
    return cell.take(np.flatnonzero(np.isin(cell.pair_id, pair_ids)))


def paired(first: Cell, second: Cell) -> tuple[Cell, Cell]:
    """Both cells on the rows that both have; the cells themselves where those are all."""
    if np.array_equal(first.pair_id, second.pair_id):
        return first, second
    common = np.intersect1d(first.pair_id, second.pair_id)
    return _rows_of(first, common), _rows_of(second, common)


@cache
def resampled_accuracy(cell: Cell, settings: Settings) -> np.ndarray:
    """The accuracy in each bootstrap resample [R], over premises and, where there are several, seeds."""
    stream = zlib.crc32(cell.model.name.encode())  # models draw their seeds independently of each other
    sums = np.stack([cell.sums, np.broadcast_to(cell.rows, cell.sums.shape)], axis=-1)
    return resampled_values(sums, accuracy.value, settings, stream)


def read_training(paths: Iterable[Path]) -> dict[tuple[Model, int], dict[str, Any]]:
    """The training record of each run."""
    records = {}
    for path in sorted(paths):
        model, seed, _ = run_of(path, "models")
        records[model, seed] = read_json(path)
    return records


def read_curves(paths: Iterable[Path]) -> pd.DataFrame:
    """The loss curves of fine-tuning runs, one below the other, with the facts of their run in front."""
    tables = [pd.DataFrame(columns=["backbone", "method", "variant", "train", "seed"])]
    for path in sorted(paths):
        model, seed, _ = run_of(path, "models")
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        for place, (column, value) in enumerate([*model._asdict().items(), ("seed", seed)]):
            table.insert(place, column, value)
        tables.append(table)
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
