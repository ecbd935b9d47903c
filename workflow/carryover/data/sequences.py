"""Rows of token ids in one file: what tasks write once and training and prediction read again and again.

PyTorch is imported where a file is read: its import would be most of the time of a job that only tokenises.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import save

from carryover.runtime import files


@dataclass(frozen=True)
class Sequences:
    """n rows of token ids; each kind of answer adds what is asked of them.

    ids: those of all rows after each other; offsets [n + 1]: where each begins; row_ids [n]: the example's id in its corpus;
    clusters [n]: what it shares with others of its file (a premise, a document), which are drawn together by the bootstrap.
    """

    ids: np.ndarray
    offsets: np.ndarray
    row_ids: np.ndarray
    clusters: np.ndarray

    SHARED: ClassVar[tuple[str, ...]] = ()  # arrays that are the same in all files of a task, and so are not joined

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.diff(self.offsets)

    def sequence(self, row: int) -> np.ndarray:
        """The token ids of one row."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def save(self, path: Path) -> None:
        """Writes the rows as one safetensors file, whole; names among them (tuples of text) are its metadata."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: np.ascontiguousarray(value) for name, value in values.items() if isinstance(value, np.ndarray)}
        names = {name: json.dumps(value) for name, value in values.items() if name not in arrays}
        files.write_bytes(path, save(arrays, metadata=names or None))

    @classmethod
    def load(cls, paths: Sequence[Path]) -> Self:
        """The rows of these files, one after the other; a single file stays on disk and is mapped into memory.

        Raises BadInput where a file is damaged.
        """
        from safetensors import safe_open

        parts = []
        for path in paths:
            with files.reading(path), safe_open(path, "pt") as stored:
                values: dict[str, Any] = {name: stored.get_tensor(name).numpy() for name in stored.keys()}  # noqa: SIM118
                values |= {name: tuple(json.loads(text)) for name, text in (stored.metadata() or {}).items()}
                parts.append(cls(**values))
        return parts[0] if len(parts) == 1 else cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of these, one after the other."""
        values: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            each = [getattr(part, name) for part in parts]
            if name in cls.SHARED:
                values[name] = each[0]
            elif name.endswith("offsets"):
                starts = np.cumsum([0, *(theirs[-1] for theirs in each)])
                values[name] = np.concatenate([[0], *(theirs[1:] + start for theirs, start in zip(each, starts, strict=False))])
            else:
                values[name] = np.concatenate(each)
        return cls(**values)
