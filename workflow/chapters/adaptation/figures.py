"""The figures of the chapter, each from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from carryover.reporting.label_placement import label_points
from carryover.reporting.style import MARKERS, Drawn, Look, empty, panels, styled

Tables = Mapping[str, pd.DataFrame]
PRICES = {
    "trained_parameters": "trained weights",
    "seconds_per_thousand": "seconds per 1,000 training examples",
    "peak_memory_mb": "peak memory of training (MiB)",
    "model_bytes": "bytes on disk",
}
ENDS = ["source_accuracy", "source_low", "source_high"]


@styled
def pareto(tables: Tables, look: Look) -> Drawn:
    """Accuracy in the source language against each price: a point a system, the frontier as a line."""
    table = tables["methods"].dropna(subset=["source_accuracy"])
    columns = ["model", "method", "variant", *ENDS, *PRICES, *(f"frontier_{price}" for price in PRICES)]
    shown = [
        (model, price, rows.dropna(subset=[price]))
        for model, rows in table.groupby("model", sort=False)
        for price in PRICES
        if rows[price].notna().any()
    ]
    if not shown:
        return empty("no system was trained on the source language and tested in it", columns)
    figure, axes = panels(len(shown), 2.9, columns=2)
    for axis, (model, price, rows) in zip(axes, shown, strict=True):
        best = rows[rows[f"frontier_{price}"].astype(bool)].sort_values(price)
        axis.plot(best[price], 100 * best["source_accuracy"], color=look.accent, linewidth=1, drawstyle="steps-post", zorder=1)
        for place, (method, some) in enumerate(rows.groupby("method", sort=False)):
            reach = 100 * np.stack([some["source_accuracy"] - some["source_low"], some["source_high"] - some["source_accuracy"]])
            mark: dict[str, Any] = {
                "fmt": MARKERS[place % len(MARKERS)],
                "color": look.colours[place % len(look.colours)],
                "elinewidth": 0.8,
            }
            axis.errorbar(some[price], 100 * some["source_accuracy"], yerr=np.clip(reach, 0, None), label=method, **mark)
        scale = "log" if rows[price].max() > 10 * rows[price].min() else "linear"
        axis.set(xscale=scale, xlabel=PRICES[price], ylabel=f"accuracy, {look.name(look.source)} (%)", title=model)
        axis.margins(0.2)
        label_points(figure, axis, rows[price], 100 * rows["source_accuracy"], list(rows["variant"]))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[columns]


@styled
def unequal(tables: Tables, look: Look) -> Drawn:
    """What each system loses or gains in a language beyond the source language, against the reference."""
    table = tables["unequal"]
    columns = ["model", "method", "variant", "language", "token_premium", "difference", "difference_low", "difference_high"]
    if table.empty:
        return empty("no two systems were asked the same rows in another language", columns)
    shown = list(table.groupby(["model", "variant"], sort=False))
    figure, axes = panels(len(shown), 2.2, columns=2)
    for axis, ((model, variant), rows) in zip(axes, shown, strict=True):
        order = look.ordered(list(rows["language"]))
        rows = rows.set_index("language").loc[order]
        reach = np.stack([rows["difference"] - rows["difference_low"], rows["difference_high"] - rows["difference"]])
        reach = 100 * np.clip(reach.astype(float), 0, None)
        axis.errorbar(np.arange(len(rows)), 100 * rows["difference"], yerr=reach, fmt="o", color=look.colours[0], elinewidth=0.8)
        axis.axhline(0, color="#333333", linewidth=1, linestyle=(0, (4, 3)))
        axis.set_xticks(np.arange(len(rows)), order, fontsize=7)
        axis.set(ylabel="points", title=f"{model}, {variant}")
    return figure, table[columns]
