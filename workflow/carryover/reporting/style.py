"""How every figure is drawn: its style and colours, the order of languages, and its rendering as SVG or PDF.

The default colours are Okabe and Ito's, which colour-blind readers tell apart; markers and line styles say the same again
for print in grey. The same figure gives the same bytes. In SVG text stays text, so that any script renders with the
reader's fonts.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.text import Text

matplotlib.use("svg")
# The fonts named below are the reader's; that this machine lacks one is said hundreds of times otherwise.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
STYLE: dict[Any, Any] = {
    **{"svg.fonttype": "none", "svg.hashsalt": "carryover", "font.family": ["DejaVu Sans", "Arial", "sans-serif"]},
    **{"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True},
    **{"axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False, "figure.constrained_layout.use": True},
    **{"pdf.fonttype": 42},  # TrueType: PDF readers can search the text
}
PALETTES = {
    "okabe-ito": ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555"),
    "tol-bright": ("#4477AA", "#CCBB44", "#228833", "#AA3377", "#66CCEE", "#EE6677", "#555555"),
    "grey": ("#3A3A3A", "#B5B5B5", "#7A7A7A", "#D9D9D9", "#5A5A5A", "#111111", "#888888"),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
WIDTH = 7.4  # inches, about a page's text


@dataclass(frozen=True)
class Look:
    """What a figure is drawn with.

    languages: the languages' table (code, name, family, script); listed: their codes as the study lists them; confidence:
    of the intervals; source: the source language; palette: a name of `PALETTES`; order: `family` or `listed`.
    """

    languages: pd.DataFrame
    listed: Sequence[str]
    confidence: float
    source: str
    palette: str
    order: str

    @property
    def colours(self) -> tuple[str, ...]:
        return PALETTES[self.palette]

    @property
    def accent(self) -> str:
        """What stands out from every other mark: frames, published values."""
        return self.colours[5]

    @property
    def shades(self) -> LinearSegmentedColormap:
        """From nearly white to the palette's first colour, darkened, for heatmaps."""
        return LinearSegmentedColormap.from_list("shades", seaborn.light_palette(seaborn.dark_palette(self.colours[0])[4], 12))

    def name(self, code: str) -> str:
        return dict(zip(self.languages["language"], self.languages["name"], strict=True)).get(code, code)

    def ordered(self, codes: Sequence[str]) -> list[str]:
        """Codes as the study lists them, or by family, within it by script, both as first met in the languages' table."""
        if self.order == "listed":
            return sorted(codes, key=lambda code: self.listed.index(code) if code in self.listed else len(self.listed))
        known = self.languages[self.languages["language"].isin(codes)]
        families, scripts = list(known["family"].unique()), list(known["script"].unique())
        place = {row.language: (families.index(row.family), scripts.index(row.script)) for row in known.itertuples()}
        return sorted(codes, key=lambda code: place.get(code, (len(families), 0)))

    def family(self, code: str) -> str:
        return dict(zip(self.languages["language"], self.languages["family"], strict=True)).get(code, "")


Drawn = tuple[Figure, pd.DataFrame]


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as an `svg` or `pdf` file, without a date."""
    target = io.BytesIO()
    dates = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    with matplotlib.rc_context(STYLE):
        figure.savefig(target, format=kind, metadata=dates[kind])
    if kind == "pdf":
        return target.getvalue()
    lines = target.getvalue().decode().splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()


Draw = Callable[[Mapping[str, pd.DataFrame], Look], Drawn]


def styled(draw: Draw) -> Draw:
    """Draws under this module's style and the look's colours, whatever was set before."""

    @wraps(draw)
    def wrapped(tables: Mapping[str, pd.DataFrame], look: Look) -> Drawn:
        with matplotlib.rc_context({**STYLE, "axes.prop_cycle": cycler(color=look.colours)}):
            return draw(tables, look)

    return wrapped


def empty(reason: str, columns: Sequence[str]) -> Drawn:
    """A figure that says why it shows nothing."""
    figure = Figure(figsize=(WIDTH, 1))
    figure.text(0.5, 0.5, reason, ha="center", va="center")
    return figure, pd.DataFrame(columns=list(columns))


def panels(count: int, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, each `height` inches high."""
    figure = Figure(figsize=(WIDTH, height * -(-count // columns)))
    axes = list(figure.subplots(-(-count // columns), columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def errors(table: pd.DataFrame) -> np.ndarray:
    """Distances to the interval's ends [2, n], in per cent."""
    below, above = table["accuracy"] - table["low"], table["high"] - table["accuracy"]
    return 100 * np.clip(np.stack([below, above]).astype(float), 0, None)


def chance(axis: Axes, table: pd.DataFrame, vertical: bool = False) -> None:
    """The accuracy of the best constant answer, as a line."""
    line = axis.axvline if vertical else axis.axhline
    line(100 * table["chance"].max(), color="#333333", linewidth=1, linestyle=(0, (4, 3)), label="chance", zorder=3)


def heatmap(
    axis: Axes, values: pd.DataFrame, look: Look, low: float, high: float, label: str = ""
) -> dict[tuple[int, int], Text]:
    """Numbers as shades, each written in its cell; returns the written numbers by (row, column).

    low, high: the values of the lightest and the darkest shade; label: of the colour bar, none without one.
    """
    bar = {"label": label, "fraction": 0.03, "pad": 0.01}
    written = {"annot": True, "fmt": ".0f", "annot_kws": {"size": 8}, "linewidths": 0.8, "linecolor": "white"}
    seaborn.heatmap(
        values, ax=axis, vmin=low, vmax=high, cmap=look.shades, cbar=bool(label), cbar_kws=bar if label else None, **written
    )
    axis.tick_params(length=0)
    present = np.argwhere(values.notna().to_numpy())
    return {(int(row), int(column)): text for (row, column), text in zip(present, axis.texts, strict=True)}
