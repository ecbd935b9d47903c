"""The figures: each from the chapter's tables, with the rows that it shows. `carryover.reporting.style` has what they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from carryover.analysis.comparison import ABOVE
from carryover.analysis.study import OWN, ZERO_SHOT
from carryover.reporting.formatting import MINUS
from carryover.reporting.groups import groups_of, rows_of, split
from carryover.reporting.label_placement import label_points
from carryover.reporting.style import LINES, MARKERS, Drawn, Look, chance, empty, errors, heatmap, panels, styled

Tables = Mapping[str, pd.DataFrame]


@styled
def regimes(tables: Tables, look: Look) -> Drawn:
    """Accuracy by language and regime with intervals, grouped by family. Hollow marks show no evidence above chance."""
    table = tables["regimes"]
    if table.empty:
        return empty("no fine-tuned model has been tested", list(table.columns))
    names = sorted(dict.fromkeys(table["regime"]), key=lambda name: {ZERO_SHOT: 0, OWN: 1}.get(name, 2))
    figure, axes = panels(len(groups_of(table)), 3.6)
    for axis, (title, rows) in zip(axes, split(table), strict=True):
        order = look.ordered(list(dict.fromkeys(rows["language"])))
        chance(axis, rows)
        for place in range(0, len(order), 2):  # bands lead the eye from a mark to its language
            axis.axvspan(place - 0.5, place + 0.5, color="#F1F1F1", linewidth=0, zorder=0)
        for place, name in enumerate(names):
            chosen = rows[rows["regime"] == name].set_index("language").reindex(order).dropna(subset=["accuracy"])
            x = np.array([order.index(code) for code in chosen.index]) + (place - (len(names) - 1) / 2) * 0.72 / len(names)
            colour, marker = look.colours[place % len(look.colours)], MARKERS[place % len(MARKERS)]
            bars: dict[str, Any] = {
                "fmt": "none",
                "color": colour,
                "ecolor": colour,
                "elinewidth": 1.3,
                "capsize": 2,
                "zorder": 4,
            }
            axis.errorbar(x, 100 * chosen["accuracy"], yerr=errors(chosen), **bars)
            evident = (chosen["verdict"] == ABOVE).to_numpy()
            style: dict[str, Any] = {
                "color": colour,
                "linestyle": "none",
                "marker": marker,
                "markersize": 5.5,
                "markeredgecolor": colour,
                "zorder": 5,
            }
            for some, face in ((evident, colour), (~evident, "white")):
                axis.plot(x[some], 100 * chosen["accuracy"][some], markerfacecolor=face, **style)
            axis.plot([], [], markerfacecolor=colour, label=name, **style)
        axis.set_xticks(range(len(order)), [look.name(code) for code in order], rotation=40, ha="right", rotation_mode="anchor")
        _family_borders(axis, order, look)
        axis.set(ylabel="accuracy (%)", xlim=(-0.5, len(order) - 0.5))
        axis.set_title(title if len(axes) > 1 else "", pad=16)
        axis.margins(y=0.08)
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(5, len(names) + 1))
    columns = ["model", "method", "regime", "language", "n", "accuracy", "low", "high", "chance", "verdict"]
    return figure, table[columns]


def _family_borders(axis: Axes, order: list[str], look: Look) -> None:
    starts = [place for place, code in enumerate(order) if place == 0 or look.family(code) != look.family(order[place - 1])]
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        if start:
            axis.axvline(start - 0.5, color="#bbbbbb", linewidth=0.7, zorder=0)
        several = end - start > 1
        placed: dict[str, Any] = {"rotation": 0, "ha": "center"} if several else {"rotation": 30, "ha": "left"}
        middle = (start + end - 1) / 2
        axis.text(
            middle, 1.01, look.family(order[start]), transform=axis.get_xaxis_transform(), fontsize=7.5, color="#333333", **placed
        )


@styled
def zero_shot(tables: Tables, look: Look) -> Drawn:
    """The model of the source language on every language, by accuracy; hollow where there is no evidence above chance."""
    table = tables["zero_shot"]
    if table.empty:
        return empty(f"no {look.name(look.source)} model has been tested", list(table.columns))
    figure, axes = panels(len(groups_of(table)), 0.9 + 0.24 * table["language"].nunique())
    for axis, (title, rows) in zip(axes, split(table), strict=True):
        rows = rows.sort_values("accuracy", kind="stable")
        y = np.arange(len(rows))
        chance(axis, rows, vertical=True)
        if rows["published"].notna().any():
            same = (rows["comparison"] == "comparable").all()
            label = "published" if same else "published (another model or other data)"
            axis.plot(100 * rows["published"], y, "|", color=look.colours[5], markersize=11, markeredgewidth=1.6, label=label)
        colour = look.colours[0]
        axis.errorbar(
            100 * rows["accuracy"], y, xerr=errors(rows), fmt="none", color=colour, ecolor=colour, elinewidth=1.2, capsize=2
        )
        for evident, face, label in ((True, colour, "above chance"), (False, "white", "no evidence above chance")):
            some = ((rows["verdict"] == ABOVE) == evident).to_numpy()
            axis.plot(100 * rows["accuracy"][some], y[some], "o", color=colour, markerfacecolor=face, label=label)
        axis.set_yticks(y, [look.name(code) for code in rows["language"]])
        axis.set(xlabel="accuracy (%)", title=title if len(axes) > 1 else "")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    columns = ["model", "method", "language", "n", "accuracy", "low", "high", "chance", "verdict", "published", "comparison"]
    return figure, table[columns]


@styled
def premium(tables: Tables, look: Look) -> Drawn:
    """Zero-shot accuracy against token premium."""
    return _against("token_premium", f"token premium over {look.name(look.source)}", tables, look)


@styled
def fertility(tables: Tables, look: Look) -> Drawn:
    """Zero-shot accuracy against tokens per word."""
    return _against("tokens_per_word", "tokens per whitespace word", tables, look)


def _against(measure: str, label: str, tables: Tables, look: Look) -> Drawn:
    """One measure of the tokeniser, called `label` on its axis, against zero-shot accuracy."""
    fertility, correlation = tables["fertility"], tables["correlation"]
    dev = fertility[fertility["text"] == "dev"][["tokenizer", "language", measure]]
    table = tables["zero_shot"].merge(dev, on=["tokenizer", "language"]).dropna(subset=[measure])
    columns = ["model", "method", "language", measure, "n", "accuracy", "low", "high", "chance", "verdict"]
    if table.empty:
        return empty(f"no language has both a zero-shot accuracy and {label}", columns)
    figure, axes = panels(len(groups_of(table)), 3.4)
    for axis, group in zip(axes, groups_of(table), strict=True):
        rows = rows_of(table, group)
        chance(axis, rows)
        axis.errorbar(rows[measure], 100 * rows["accuracy"], yerr=errors(rows), fmt="none", ecolor="#777777", elinewidth=1)
        for place, (script, some) in enumerate(_scripts(rows, look)):
            style: dict[str, Any] = {
                "color": look.colours[place % len(look.colours)],
                "marker": MARKERS[place % len(MARKERS)],
                "label": script,
            }
            axis.plot(some[measure], 100 * some["accuracy"], linestyle="none", markeredgecolor="#222222", **style)
        axis.set(xscale="log", xlabel=f"{label} (logarithmic)", ylabel="zero-shot accuracy (%)")
        low, high = 0.9 * rows[measure].min(), 1.1 * rows[measure].max()
        ticks = [tick for tick in (1, 1.5, 2, 3, 4, 6, 10, 20, 40) if low <= tick <= high]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.margins(x=0.1, y=0.12)
        label_points(figure, axis, rows[measure], 100 * rows["accuracy"], [look.name(code) for code in rows["language"]])
        axis.set_title(f"{group.name + ': ' if len(axes) > 1 else ''}{_rho(rows_of(correlation, group), measure, look)}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[columns]


def _scripts(rows: pd.DataFrame, look: Look) -> list[tuple[str, pd.DataFrame]]:
    """Rows by script: the commonest five by name, the rest together."""
    scripts = rows["language"].map(dict(zip(look.languages["language"], look.languages["script"], strict=True)))
    own = list(scripts.value_counts(sort=True).index[: len(MARKERS) - 1])
    names = scripts.where(scripts.isin(own), "other scripts")
    return [(name, rows[names == name]) for name in dict.fromkeys(names)]


def _rho(correlation: pd.DataFrame, measure: str, look: Look) -> str:
    facts = {"regime": ZERO_SHOT, "outcome": "accuracy", "predictor": measure}
    for column, value in facts.items():
        correlation = correlation[correlation[column] == value]
    if correlation.empty or pd.isna(correlation["rho"].iloc[0]):
        return "too few languages for a correlation"
    row = correlation.iloc[0]
    ends = f"{look.confidence:.0%} interval {row['low']:.2f} to {row['high']:.2f}"
    count = f"n = {row['n']} without {look.name(look.source)}"
    return f"Spearman's ρ {row['rho']:.2f} ({ends}), p {row['p']:.2g}, {count}".replace("-", MINUS)


@styled
def pretraining(tables: Tables, look: Look) -> Drawn:
    """Training loss with the validation loss at each epoch's end, and the cumulative average that was published."""
    table = tables["pretraining_curves"]
    if table.empty:
        return empty("this study pretrains nothing: its model was downloaded", list(table.columns))
    figure, axes = panels(len(groups_of(table)), 2.9)
    for axis, (title, rows) in zip(axes, split(table), strict=True):
        axis.plot(rows["step"], rows["loss"], color=look.colours[0], linewidth=1.1, label="training loss")
        axis.plot(
            rows["step"],
            rows["published_loss"],
            color=look.colours[6],
            linestyle=":",
            label="as published: running mean, padding counted",
        )
        held = rows.dropna(subset=["validation_loss"])
        axis.plot(held["step"], held["validation_loss"], "s--", color=look.colours[5], label="validation loss")
        axis.set(xlabel="updates", ylabel="nats per token", title=title if len(axes) > 1 else "")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure, table


@styled
def finetuning(tables: Tables, look: Look) -> Drawn:
    """The label's loss by examples seen: the variants on the source language, and the other training texts."""
    table = tables["finetuning_curves"]
    if table.empty:
        return empty("nothing was fine-tuned", list(table.columns))
    groups = [(f"trained on {look.name(look.source)}, by variant", table[table["train"] == look.source])]
    groups.append(("trained on other texts", table[table["train"] != look.source]))
    groups = [(title, rows) for title, rows in groups if len(rows)]
    figure, axes = panels(len(groups), 2.6)
    several = len(groups_of(table)) > 1
    for axis, (title, rows) in zip(axes, groups, strict=True):
        runs = [(group, *run) for group, theirs in split(rows) for run in theirs.groupby(["variant", "train", "seed"])]
        for place, (group, (variant, train, seed), run) in enumerate(runs):
            name = f"{variant} {train}" if train != look.source else variant
            name += f", seed {seed}" if rows["seed"].nunique() > 1 else ""
            line: dict[str, Any] = {
                "color": look.colours[place % len(look.colours)],
                "linestyle": LINES[place // len(look.colours) % len(LINES)],
            }
            smooth = run["loss"].rolling(max(1, len(run) // 40), min_periods=1).mean()
            axis.plot(run["examples"], smooth, linewidth=1.1, label=f"{group} {name}" if several else name, **line)
        axis.axhline(np.log(3), color="#333333", linewidth=1, linestyle=(0, (4, 3)), label="three labels alike: ln 3")
        low = min(table["loss"].quantile(0.01), np.log(3))  # the first updates, where the answer is not yet a label, are cut off
        axis.set(xlabel="examples", ylabel="nats per label", ylim=(0.9 * low, 1.5 * np.log(3) - 0.5 * low))
        axis.set_title(title)
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7.5)
    return figure, table


@styled
def transfer_matrix(tables: Tables, look: Look) -> Drawn:
    """Trained on by tested on; a frame where the model has seen the language, italic figures without evidence above chance."""
    table = tables["transfer_matrix"]
    if table.empty:
        return empty("no model has been tested", list(table.columns))
    figure, axes = panels(len(groups_of(table)), 1.1 + 0.3 * table["train"].nunique())
    low, high = min(30, 100 * table["accuracy"].min()), 100 * table["accuracy"].max()
    for axis, (title, rows) in zip(axes, split(table), strict=True):
        order = look.ordered(list(dict.fromkeys(rows["language"])))
        trains = list(dict.fromkeys(rows["train"]))
        values = 100 * rows.pivot_table(index="train", columns="language", values="accuracy").reindex(trains)[order]
        texts = heatmap(axis, values, look, low, high, label="accuracy (%)")
        for row in rows.to_dict("records"):
            place = (trains.index(row["train"]), order.index(row["language"]))
            texts[place].set(fontweight="bold") if row["verdict"] == ABOVE else texts[place].set(fontstyle="italic")
            if row["seen"]:
                corner = (place[1] + 0.04, place[0] + 0.04)
                axis.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=look.accent, linewidth=1.6))
        axis.set_xticklabels([look.name(code) for code in order], rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticklabels([look.name(name) if name != "none" else "not fine-tuned" for name in trains], rotation=0)
        axis.set(xlabel="tested on", ylabel="trained on", title=title if len(axes) > 1 else "")
    return figure, table


@styled
def confusion(tables: Tables, look: Look) -> Drawn:
    """Gold label by predicted label of the model of the source language, one panel a language; rows sum to 100 %."""
    table = tables["confusion"]
    table = table[table["train"] == look.source]
    if table.empty:
        return empty(f"no {look.name(look.source)} model has been tested", list(table.columns))
    shown = [(group, code) for group in groups_of(table) for code in dict.fromkeys(rows_of(table, group)["language"])]
    figure, axes = panels(len(shown), 1.55, columns=5)
    labels = list(dict.fromkeys(table["gold"]))
    for place, (axis, (group, code)) in enumerate(zip(axes, shown, strict=True)):
        rows = rows_of(table, group)
        rows = rows[rows["language"] == code]
        values = 100 * rows.pivot_table(index="gold", columns="predicted", values="share").reindex(labels)[labels]
        heatmap(axis, values, look, 0, 100)
        axis.set_xticklabels([label[0].upper() for label in labels], rotation=0)
        axis.set_yticklabels([label[0].upper() for label in labels], rotation=0)
        axis.set_title(look.name(code) if len(groups_of(table)) == 1 else f"{group.name}: {look.name(code)}")
        axis.set_aspect("equal")
        axis.set(ylabel="gold" if place % 5 == 0 else "", xlabel="predicted" if place >= len(shown) - 5 else "")
    return figure, table
