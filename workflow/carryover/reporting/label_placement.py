"""Names beside the points of a figure, where they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def label_points(figure: Figure, axis: Axes, x: pd.Series, y: pd.Series, names: Sequence[str]) -> None:
    """Names beside the points of an axis, each at the nearest of some places where it covers no point and no other name."""
    size = 7.5
    figure.draw_without_rendering()  # fixes the axis, so that its points are known in pixels
    scale = figure.dpi / 72  # pixels of a point
    points = axis.transData.transform(np.column_stack([x, y])) / scale
    taken = [(px - 3, py - 3, px + 3, py + 3) for px, py in points]
    for place, ((px, py), name) in enumerate(zip(points, names, strict=True)):
        wide, high = 0.6 * size * len(name), 1.15 * size
        boxes = []
        for reach in (5, 12, 22, 34, 48):
            for right, up in ((1, 0.3), (-1, 0.3), (1, -1), (-1, -1), (0, 1), (0, -1)):
                left = px + right * reach - (0 if right > 0 else wide if right < 0 else wide / 2)
                low = py + up * reach - (0 if up > 0 else high)
                boxes.append((reach, (left, low, left + wide, low + high)))
        clear = [(reach, box) for reach, box in boxes if not any(_overlap(box, other) for other in taken)]
        reach, box = clear[0] if clear else boxes[0]
        taken.append(box)
        line: dict[str, Any] | None = (
            {"arrowstyle": "-", "color": "#999999", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2} if reach > 12 else None
        )
        axis.annotate(
            name,
            (x.iloc[place], y.iloc[place]),
            fontsize=size,
            arrowprops=line,
            xytext=(box[0] - px, box[1] - py),
            textcoords="offset points",
        )


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether two boxes (left, low, right, high) share a place."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
