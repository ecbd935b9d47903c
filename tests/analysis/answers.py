"""Cells and files of predictions whose answers are set here, for the tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from carryover.analysis.predictions import Cell
from carryover.planning.paths import EvaluationSet, Layout, System, run_name

LABELS = ("entailment", "contradiction", "neutral")
FULL = System("toy", "nli", "full", "baseline", "en")
TEST = EvaluationSet("nli", "full", "test", "en")


def choices(right: np.ndarray, target: np.ndarray | None = None) -> pd.DataFrame:
    """Three candidates; a wrong answer is the next one. right [n]: three rows a cluster."""
    n = len(right)
    target = np.arange(n) % 3 if target is None else target
    answer = np.where(right, target, (target + 1) % 3)
    logp = np.log(np.where(np.arange(3) == answer[:, None], 0.6, 0.2)).astype(np.float32)
    table = pd.DataFrame({"id": np.arange(n), "cluster": np.arange(n) // 3, "target": target.astype("int8")})
    table[["logp_0", "logp_1", "logp_2"]] = logp
    return table.assign(greedy=np.int32(7), greedy_label=answer.astype("int8"))


def tags(predicted: list[list[str]], target: list[list[str]]) -> pd.DataFrame:
    """A row a word; each sentence is its own cluster."""
    sentence = np.repeat(np.arange(len(target)), [len(words) for words in target])
    words = {"word": [f"word{place}" for place in range(len(sentence))]}
    columns = {"target": [tag for tags in target for tag in tags], "predicted": [tag for tags in predicted for tag in tags]}
    return pd.DataFrame({"id": sentence, "cluster": sentence, **words, **columns})


def cell(*tables: pd.DataFrame, system: System = FULL, asked: EvaluationSet = TEST) -> Cell:
    return Cell(system, asked, tuple(range(len(tables))), tables, LABELS if asked.task == "nli" else ())


def write(root: Path, table: pd.DataFrame, system: System = FULL, asked: EvaluationSet = TEST, seed: int = 0) -> Path:
    """Writes a file of predictions where a study has it."""
    name = run_name(system, seed)
    path = Path(Layout(str(root)).prediction(name, asked.task, asked.view, asked.language, asked.split))
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    return path
