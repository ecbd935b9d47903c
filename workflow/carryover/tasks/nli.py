"""Natural language inference: does a premise entail a hypothesis, contradict it, or neither? XNLI (Conneau et al. 2018), or
rows of one's own.

A prompt holds both, and the answer is one of three label words after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from carryover.data import archives, pairs, prompts, transliteration, xnli
from carryover.data.subsets import draw_clusters, take_subset

ANSWER = "choice"
METRICS: dict[str, dict[str, str]] = {"accuracy": {}}  # each with the options under which it has a meaning
VIEWS = ("full", "hypothesis", "shuffled", "latin", "cyrillic", "greek")
FIELDS = ("premise", "hypothesis")
LABELS = ("entailment", "contradiction", "neutral")  # in the handout's order


def read(
    sources: Sequence[Path], language: str, splits: Sequence[str], options: Mapping[str, Any]
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """The rows of each split: id, cluster (the premise), premise, hypothesis, target (0, 1, 2), genre, and the text as
    published; and counts: rows of the file, used, unusable, and of each target.

    sources: one for all splits, or one each: an archive of XNLI (`.zip`) or rows of one's own (`carryover.data.pairs`). options:
    expected_rows (by split), unsegment (remove this language's spaces in every split); for evaluation rows also evaluation_rows
    (by split) and evaluation_seed; for training rows subset, subset_seed, detokenize, and unsegmented (the language is written
    without spaces); for rows of one's own columns (the names of the file's) and label_names (those in it that are not ours).
    """
    tables, counts = {}, {}
    for source, split in zip(sources if len(sources) > 1 else [*sources] * len(splits), splits, strict=True):
        table, unusable = _read_split(source, language, split, options)
        rows = len(table) + unusable
        if split == "train":
            table = take_subset(table, options["subset"], options["subset_seed"])
        elif wanted := options["evaluation_rows"][split]:
            table = draw_clusters(table, wanted, options["evaluation_seed"])
        moses = split == "train" and options["detokenize"]  # dev and test are raw text
        join = options["unsegment"] or (moses and options["unsegmented"])
        tables[split] = xnli.prepare_text(table, language, moses, join)
        targets = np.bincount(table["target"], minlength=len(LABELS)).tolist()
        counts[split] = {"rows": rows, "used": len(table), "unusable": unusable, "targets": targets}
    return tables, counts


def _read_split(source: Path, language: str, split: str, options: Mapping[str, Any]) -> tuple[pd.DataFrame, int]:
    """The rows of one split, and how many cannot be used."""
    expected = options["expected_rows"][split]
    if source.suffix == ".zip":
        return xnli.read_split(source, split, language, LABELS, expected)
    labels = {name: place for place, name in enumerate(LABELS)}
    labels |= {theirs: labels[ours] for theirs, ours in options["label_names"].items()}
    table, unusable = pairs.read_pairs(source, language, split, options["columns"], labels)
    archives.check_rows(str(source), language, split, len(table), unusable, expected)
    if split != "train":  # translations line up whatever the order of their files; training text has a head
        table = table.sort_values("id", ignore_index=True)
    return table.assign(genre=""), len(unusable)


def apply_view(table: pd.DataFrame, view: str, seed: int, language: str) -> pd.DataFrame:
    """The table as a control sees it: `full`, `hypothesis` (no premise), `shuffled` (each premise another's), or both texts in
    another script. language: its ISO 639-3 code, for transliteration.

    Shuffling moves whole premises: the hypotheses that shared one share the new one, and no premise stays.
    """
    if view == "hypothesis":
        return table.assign(premise="")
    if view == "shuffled":
        first = table.drop_duplicates("cluster")
        order = np.random.default_rng(seed).permutation(len(first))
        # A rotation of a random order leaves nobody in place.
        other = dict(zip(first["cluster"].to_numpy()[order], first["premise"].to_numpy()[np.roll(order, 1)], strict=True))
        return table.assign(premise=table["cluster"].map(other))
    if view != "full":
        return table.assign(**{field: transliteration.in_script(table[field], view, language) for field in FIELDS})
    return table


def encode(
    table: pd.DataFrame, tokenizer: Tokenizer, options: Mapping[str, Any], max_length: int
) -> tuple[prompts.XNLIDataset, dict[str, int]]:
    """The prompts of a table, and counts: rows, premise_cut, hypothesis_cut. options: template (its text), labels."""
    return prompts.tokenize(table, tokenizer, options["template"], FIELDS, options["labels"], max_length)
