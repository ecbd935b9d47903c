"""What systems answered, as cells: one system's answers to one evaluation set, all its seeds together.

A file of predictions has a row a question: `id`, `cluster` (rows of one are not independent), `target` and the answer. A choice
has the log-probability of each candidate (`logp_0`, ...) and the greedy token's candidate (`greedy_label`, -1 for none); tags
have a row a word, with `predicted`; a text's likelihood is `nats`, `tokens` and `bytes`.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import pandas as pd

from carryover.metrics.bootstrap import Settings, cluster_sums, resampled_statistics, resampled_values
from carryover.planning.paths import EvaluationSet, System, prediction_of
from carryover.runtime.errors import BadInput

CANDIDATE = "logp_"  # columns of a choice, numbered from 0


@runtime_checkable
class Sums(Hashable, Protocol):
    """A metric that is a value of sums over rows: a module of `carryover.metrics`."""

    def sums(self, rows: pd.DataFrame) -> np.ndarray: ...
    def value(self, sums: np.ndarray) -> np.ndarray: ...


class Statistic(Hashable, Protocol):
    """A metric without sums, such as a rank correlation, of the rows of one seed."""

    def statistic(self, rows: pd.DataFrame) -> float: ...


Metric = Sums | Statistic


@dataclass(frozen=True, eq=False)
class Cell:
    """For each seed the rows of its file, in the order of their ids; ids, clusters and targets are those of every seed.

    labels: names of a choice's candidates, in their order.
    """

    system: System
    evaluation_set: EvaluationSet
    seeds: tuple[int, ...]
    tables: tuple[pd.DataFrame, ...]
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.tables[0])

    @cached_property
    def id(self) -> np.ndarray:
        """[n]; the rows of one question stand together in their order, such as the words of a sentence."""
        return self.tables[0]["id"].to_numpy()

    @cached_property
    def cluster(self) -> np.ndarray:
        """Each row's cluster as an index 0 to C - 1, [n]."""
        return np.unique(self.tables[0]["cluster"].to_numpy(), return_inverse=True)[1]

    @cached_property
    def clusters(self) -> int:
        return int(self.cluster.max()) + 1

    @cached_property
    def target(self) -> np.ndarray:
        """[n]: of a choice the right candidate's index."""
        return self.tables[0]["target"].to_numpy()

    def stacked(self, column: str) -> np.ndarray:
        """A column of every seed, [S, n]."""
        return np.stack([table[column].to_numpy() for table in self.tables])

    @cached_property
    def logp(self) -> np.ndarray:
        """The log-probability of each candidate of a choice, [S, n, K], in nats."""
        return np.stack([table[_candidates(table)].to_numpy(np.float32) for table in self.tables])

    @cached_property
    def predicted(self) -> np.ndarray:
        """The answer, [S, n]: of a choice the most probable candidate."""
        return self.logp.argmax(axis=-1) if _candidates(self.tables[0]) else self.stacked("predicted")

    @cached_property
    def correct(self) -> np.ndarray:
        """Where that is the target, [S, n]."""
        return self.predicted == self.target

    @cached_property
    def chance(self) -> float:
        """The accuracy of the best constant answer: the share of the commonest target."""
        return float(np.unique(self.target, return_counts=True)[1].max() / len(self))

    def constant(self) -> str | None:
        """The answer that every row got, where there is only one."""
        first = self.predicted.flat[0]
        return self.label(first) if (self.predicted == first).all() else None

    def label(self, answer: Any) -> str:
        """What an answer is called: the name of a candidate, or the answer itself."""
        return self.labels[answer] if self.labels else str(answer)

    def one_seed(self, index: int) -> Cell:
        """The answers of one seed alone."""
        keep = slice(index, index + 1)
        return self if len(self.seeds) == 1 else replace(self, seeds=self.seeds[keep], tables=self.tables[keep])

    def only(self, ids: np.ndarray) -> Cell:
        """The rows of these ids. Raises BadInput where there are none."""
        keep = np.isin(self.id, ids)
        if keep.all():
            return self
        if not keep.any():
            asked = self.evaluation_set
            raise BadInput(f"{self.system.name}: no common rows of {asked.task} {asked.view} {asked.language} {asked.split}")
        return replace(self, tables=tuple(table[keep].reset_index(drop=True) for table in self.tables))

    def rows(self, seed: int) -> pd.DataFrame:
        """What a metric reads of one seed (by index): its file's rows, with `predicted`, and clusters as indices."""
        table = self.tables[seed].assign(cluster=self.cluster)
        return table.assign(predicted=self.predicted[seed]) if _candidates(table) else table


Cells = dict[tuple[System, EvaluationSet], Cell]


@cache
def sums(cell: Cell, metric: Sums) -> np.ndarray:
    """What each seed's rows of each cluster add to the metric's sums, [S, C, k]."""
    seeds = len(cell.seeds)
    # One table, so that every seed has the same sums, such as those of a class that one seed never answers.
    rows = pd.concat([cell.rows(seed).assign(cluster=seed * cell.clusters + cell.cluster) for seed in range(seeds)])
    by_row = metric.sums(rows.reset_index(drop=True))
    return cluster_sums(by_row.T, rows["cluster"].to_numpy()).T.reshape(seeds, cell.clusters, -1)


def values(cell: Cell, metric: Metric) -> np.ndarray:
    """The metric of each seed, [S]."""
    if isinstance(metric, Sums):
        return metric.value(sums(cell, metric).sum(axis=1))
    return np.array([metric.statistic(cell.rows(seed)) for seed in range(len(cell.seeds))])


@cache
def resampled(cell: Cell, metric: Metric, settings: Settings) -> np.ndarray:
    """The metric in each bootstrap resample, [R], over clusters and, where there are several, seeds."""
    stream = zlib.crc32(cell.system.name.encode())  # systems draw their seeds independently of each other
    if isinstance(metric, Sums):
        return resampled_values(sums(cell, metric), metric.value, settings, stream)
    tables = [cell.rows(seed) for seed in range(len(cell.seeds))]

    def statistic(seed: int, rows: np.ndarray) -> float:
        return metric.statistic(tables[seed].iloc[rows])

    return resampled_statistics(statistic, len(tables), cell.cluster, settings, stream)


def paired(first: Cell, second: Cell) -> tuple[Cell, Cell]:
    """Both cells on the rows that both have, in the clusters of the first; the cells themselves where those are all.

    Translations of one row may share their premise with other rows in each language: it is the same draw of clusters for both.
    """
    if not np.array_equal(first.id, second.id):
        first, second = first.only(second.id), second.only(first.id)
    if np.array_equal(first.cluster, second.cluster):
        return first, second
    cluster = first.tables[0]["cluster"].to_numpy()
    return first, replace(second, tables=tuple(table.assign(cluster=cluster) for table in second.tables))


def read_cells(paths: Iterable[Path], languages: Iterable[str], labels: Mapping[str, tuple[str, ...]]) -> Cells:
    """Every file of predictions in these languages, the seeds of a system together. Rows that not all seeds have are left out.

    paths: files, and folders with files in them; labels: the names of a task's candidates, by task.
    """
    return cells_of(((path, *prediction_of(path)) for path in _files(paths)), languages, labels)


def cells_of(
    files: Iterable[tuple[Path, System, int, EvaluationSet]], languages: Iterable[str], labels: Mapping[str, tuple[str, ...]]
) -> Cells:
    """The files in these languages as cells; files: each with its system, seed and what was asked; labels: see `read_cells`."""
    listed, found = set(languages), dict[tuple[System, EvaluationSet], dict[int, pd.DataFrame]]()
    for path, system, seed, asked in files:
        if asked.language in listed:
            found.setdefault((system, asked), {})[seed] = _read_rows(path)
    return {
        (system, asked): _joined(system, asked, dict(sorted(tables.items())), labels.get(asked.task, ()))
        for (system, asked), tables in sorted(found.items())
    }


def _files(paths: Iterable[Path]) -> list[Path]:
    found: set[Path] = set()
    for path in paths:
        found.update(path.glob("*.parquet") if path.is_dir() else [path])
    return sorted(found)


def _read_rows(path: Path) -> pd.DataFrame:
    """The rows of one file in the order of their ids. Raises BadInput where it is damaged, or has no rows or no numbers."""
    try:
        table = pd.read_parquet(path).sort_values("id", kind="stable", ignore_index=True)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: not a readable table of predictions ({error}); delete it and run again") from error
    if table.empty:
        raise BadInput(f"{path}: has no rows")
    numbers = table[[*_candidates(table), *({"nats"} & set(table.columns))]]
    if numbers.isna().to_numpy().any():
        raise BadInput(f"{path}: has log-probabilities that are not numbers")
    return table


def _joined(system: System, asked: EvaluationSet, tables: dict[int, pd.DataFrame], labels: tuple[str, ...]) -> Cell:
    """The cell of one system and evaluation set. Raises BadInput where its seeds disagree about a row's target."""
    cells = [Cell(system, asked, (seed,), (table,), labels) for seed, table in tables.items()]
    for table in tables.values():
        cells = [cell.only(table["id"].to_numpy()) for cell in cells]
    cell = replace(cells[0], seeds=tuple(tables), tables=tuple(one.tables[0] for one in cells))
    known = [name for name in ("id", "cluster", "target") if name in cell.tables[0]]
    if any(not one.tables[0][known].equals(cell.tables[0][known]) for one in cells):
        raise BadInput(f"{system.name}: its seeds were asked other rows of {asked.task} {asked.language} {asked.split}")
    return cell


def _candidates(table: pd.DataFrame) -> list[str]:
    """The columns of a choice's candidates, in their order."""
    return cast(
        "list[str]", sorted((name for name in table if str(name).startswith(CANDIDATE)), key=lambda name: (len(name), name))
    )
