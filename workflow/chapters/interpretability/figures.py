"""The figures of the chapter, each from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.ticker import MaxNLocator

from carryover.reporting.formatting import MINUS
from carryover.reporting.label_placement import label_points
from carryover.reporting.style import LINES, Drawn, Look, empty, errors, panels, styled
from chapters.interpretability.sources import STATES, TUNED

Tables = Mapping[str, pd.DataFrame]
SIMILARITY = {"cka": "unbiased CKA", "cosine": "centred cosine", "retrieval": "retrieval at 1"}
ATTENTION = {"entropy": "entropy beside the first token", "first": "weight of the first token"}
LENS = {"accuracy": "accuracy", "settled": "answer of the last state", "mass": "probability of the labels"}
PREDICTORS = {
    "token_premium": "token premium",
    "bits": "bits per parallel sentence",
    "entropy": "attention entropy",
    "cka": "CKA at the middle state",
    "retrieval": "retrieval at the middle state",
    "same_script": "same script",
}
COLUMNS = ["model", "state", "language", "layer", "measure", "value", "low", "high", "n"]


@styled
def similarity(tables: Tables, look: Look) -> Drawn:
    """Each measure of similarity by hidden state, with the mean of shuffled pairs."""
    return _by_layer(tables["similarity"], SIMILARITY, "hidden state", look, null=True)


@styled
def attention(tables: Tables, look: Look) -> Drawn:
    """Entropy and the first token's share by block."""
    return _by_layer(tables["attention"], ATTENTION, "block", look)


@styled
def lens(tables: Tables, look: Look) -> Drawn:
    """What each hidden state would answer."""
    return _by_layer(tables["lens"], LENS, "hidden state", look)


def _by_layer(table: pd.DataFrame, measures: Mapping[str, str], below: str, look: Look, null: bool = False) -> Drawn:
    """A panel a model, state and measure, in it a line a language; null: also the mean of the column `null`."""
    table, columns = table[table["measure"].isin(measures)], [*COLUMNS, *(["null"] if null else [])]
    if table.empty:
        return empty("nothing was measured", columns)
    shown = [
        (model, state, measure, rows)
        for model in dict.fromkeys(table["model"])
        for state in STATES
        for measure in measures
        if len(rows := table[(table["model"] == model) & (table["state"] == state) & (table["measure"] == measure)])
    ]
    figure, axes = panels(len(shown), 2.1, columns=len(measures))
    order = look.ordered(list(dict.fromkeys(table["language"])))
    for axis, (model, state, measure, rows) in zip(axes, shown, strict=True):
        for place, language in enumerate(order):
            line = rows[rows["language"] == language].sort_values("layer")
            colour, style = look.colours[place % len(look.colours)], LINES[place // len(look.colours) % len(LINES)]
            axis.plot(line["layer"], line["value"], color=colour, linestyle=style, linewidth=1.1, label=look.name(language))
        if null:
            mean = rows.groupby("layer")["null"].mean()
            axis.plot(mean.index, mean, color="#333333", linewidth=1, linestyle=(0, (4, 3)), label="shuffled pairs")
        axis.set(xlabel=below, ylabel=measures[measure], title=f"{model}, {state}")
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[columns]


@styled
def predictors(tables: Tables, look: Look) -> Drawn:
    """Each predictor of the fine-tuned model against its zero-shot accuracy: a point a language."""
    table, correlations = tables["languages"], tables["predictors"]
    table = table[table["state"] == TUNED]
    columns = ["model", "language", *PREDICTORS, "accuracy", "low", "high", "n"]
    if table.empty:
        return empty("no model was fine-tuned on the source language and tested in another", columns)
    shown = [
        (model, name, rows.dropna(subset=[name]))
        for model, rows in table.groupby("model", sort=False)
        for name in PREDICTORS
        if rows[name].notna().any() and name != "same_script"
    ]
    figure, axes = panels(len(shown), 2.6, columns=3)
    for axis, (model, name, rows) in zip(axes, shown, strict=True):
        axis.errorbar(rows[name], 100 * rows["accuracy"], yerr=errors(rows), fmt="o", color=look.colours[0], elinewidth=0.8)
        label_points(figure, axis, rows[name], 100 * rows["accuracy"], list(rows["language"]))
        found = correlations[(correlations["model"] == model) & (correlations["predictor"] == name)]
        found = found[(found["state"] == TUNED) | ~(found["state"] == TUNED).any()].dropna(subset=["rho"])
        said = f"ρ {found['rho'].iloc[0]:.2f}, n {found['n'].iloc[0]}".replace("-", MINUS) if len(found) else "too few languages"
        axis.set(xlabel=PREDICTORS[name], ylabel="accuracy (%)", title=f"{model}: {said}")
        axis.margins(0.15)
    return figure, table[columns]
