"""The figures of the chapter, each from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from carryover.reporting.style import LINES, Drawn, Look, empty, panels, styled
from chapters.interpretability.sources import STATES

Tables = Mapping[str, pd.DataFrame]
LABELS = {"cka": "unbiased CKA", "cosine": "centred cosine", "retrieval": "retrieval at 1", "raw_cosine": "raw cosine"}
COLUMNS = ["model", "state", "language", "layer", "measure", "value", "low", "high", "null", "n"]


@styled
def similarity(tables: Tables, look: Look) -> Drawn:
    """Each measure by layer: a line a language, a panel a state of a model."""
    table = tables["similarity"]
    table = table[table["measure"] != "raw_cosine"]
    if table.empty:
        return empty("no language was compared with another", COLUMNS)
    shown = [
        (model, state, measure, rows)
        for model in dict.fromkeys(table["model"])
        for state in STATES
        for measure in dict.fromkeys(table["measure"])
        if len(rows := table[(table["model"] == model) & (table["state"] == state) & (table["measure"] == measure)])
    ]
    figure, axes = panels(len(shown), 2.1, columns=3)
    order = look.ordered(list(dict.fromkeys(table["language"])))
    for axis, (model, state, measure, rows) in zip(axes, shown, strict=True):
        for place, language in enumerate(order):
            line = rows[rows["language"] == language].sort_values("layer")
            colour, style = look.colours[place % len(look.colours)], LINES[place // len(look.colours) % len(LINES)]
            axis.plot(line["layer"], line["value"], color=colour, linestyle=style, linewidth=1.1, label=look.name(language))
        null = rows.groupby("layer")["null"].mean()
        axis.plot(null.index, null, color="#333333", linewidth=1, linestyle=(0, (4, 3)), label="shuffled pairs")
        axis.set(xlabel="hidden state", ylabel=LABELS[measure], title=f"{model}, {state}")
        axis.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[COLUMNS]


@styled
def attention(tables: Tables, look: Look) -> Drawn:
    """Entropy and the first token's share by layer: a line a language."""
    table = tables["attention"]
    table = table[table["measure"] != "previous"]
    columns = ["model", "state", "language", "layer", "measure", "value", "low", "high", "n"]
    if table.empty:
        return empty("no sentence has as many tokens as attention was asked for", columns)
    titles = {"entropy": "entropy beside the first token", "first": "weight of the first token"}
    shown = [
        (model, state, measure, rows)
        for model in dict.fromkeys(table["model"])
        for state in STATES
        for measure in titles
        if len(rows := table[(table["model"] == model) & (table["state"] == state) & (table["measure"] == measure)])
    ]
    figure, axes = panels(len(shown), 2.1, columns=2)
    order = look.ordered(list(dict.fromkeys(table["language"])))
    for axis, (model, state, measure, rows) in zip(axes, shown, strict=True):
        for place, language in enumerate(order):
            line = rows[rows["language"] == language].sort_values("layer")
            colour, style = look.colours[place % len(look.colours)], LINES[place // len(look.colours) % len(LINES)]
            axis.plot(line["layer"], line["value"], color=colour, linestyle=style, linewidth=1.1, label=look.name(language))
        axis.set(xlabel="block", ylabel=titles[measure], title=f"{model}, {state}")
        axis.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[columns]
