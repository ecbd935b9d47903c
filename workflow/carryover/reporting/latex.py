"""Tables as LaTeX for a paper: booktabs, with the numbers, names and captions of the report.

A table is a `table` float with a label `tab:NAME`, to be had by `\\input`; it needs the packages booktabs and graphicx.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from carryover.reporting.columns import HERE, KINDS, KNOWN, NUMERIC, Column
from carryover.reporting.formatting import MINUS, SPACE, Words

# The columns that fit a page's width, of those that the report shows.
FITTING: dict[str, str] = {
    "hyperparameters": "variant split lr batch_size accuracy n train_loss difference p_difference published published_baseline",
    "zero_shot": "language accuracy n p_holm verdict category published",
    "fertility": "language text tokens_per_word group published token_premium",
    "per_language": "language zero_shot dev_accuracy accuracy n difference p_difference published improvement_published",
    "regimes": "language regime accuracy n p_holm difference p_difference finding",
    "matched": "language regime matched_on joint_updates single_updates accuracy single_accuracy n difference p_difference",
    "one_or_many": "regime approach models examples updates seconds model_bytes peak_memory_mb accuracy",
    "correlation": "regime outcome predictor rho p_holm n published",
    "controls": "language train control accuracy n difference p_difference finding",
    "calibration": "language train n ece temperature ece_tempered",
    "selection": "language dev_accuracy p_holm tokens_per_word token_premium selected listed",
}
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # shrinks what is wider than the text
SPECIAL = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{SPACE: "~", MINUS: "$-$", "ρ": r"$\rho$", "<": "$<$", ">": "$>$"},
}


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub("|".join(re.escape(character) for character in SPECIAL), lambda found: SPECIAL[found[0]], text)


def latex_table(name: str, table: pd.DataFrame, words: Words, captions: Mapping[str, str]) -> str:
    """One float; a table without rows says so in a line. Columns that are empty throughout are left out."""
    caption = f"\\caption{{{escaped(captions[f'{name}_table'])}}}\n\\label{{tab:{name}}}"
    columns = columns_for(name, table)
    if not columns:
        return f"\\begin{{table}}\n\\centering\n{caption}\nThis study has nothing for this table.\n\\end{{table}}\n"
    aligned = "".join("r" if column.kind in NUMERIC else "l" for column in columns.values())
    lines = [" & ".join(escaped(column.label) for column in columns.values())]
    for row in table.to_dict("records"):
        cells = ["" if pd.isna(row[key]) else KINDS[column.kind](row, key, words)[0] for key, column in columns.items()]
        lines.append(" & ".join(escaped(cell) for cell in cells))
    head, *body = [f"{line} \\\\" for line in lines]
    inside = "\n".join(["\\toprule", head, "\\midrule", *body, "\\bottomrule"])
    tabular = f"{FITTED}{{%\n\\begin{{tabular}}{{@{{}}{aligned}@{{}}}}\n{inside}\n\\end{{tabular}}}}"
    return f"\\begin{{table}}\n\\centering\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n{caption}\n{tabular}\n\\end{{table}}\n"


def columns_for(name: str, table: pd.DataFrame) -> dict[str, Column]:
    """The fitting columns of which this table has anything."""
    chosen = {column: HERE.get((name, column), KNOWN[column]) for column in FITTING[name].split()}
    return {column: shown for column, shown in chosen.items() if column in table and table[column].notna().any()}


def document(tables: list[str], figures: Mapping[str, str], title: str) -> str:
    """A document that shows how tables and figures are included, and that all of them compile. figures: captions by name."""
    included = [f"\\input{{tables/{name}}}" for name in tables]
    included += [
        f"\\begin{{figure}}\n\\centering\n\\includegraphics[width=\\linewidth]{{figures/{name}}}\n"
        f"\\caption{{{escaped(caption)}}}\n\\label{{fig:{name}}}\n\\end{{figure}}"
        for name, caption in figures.items()
    ]
    packages = "\\usepackage[a4paper,margin=18mm]{geometry}\n\\usepackage{booktabs}\n\\usepackage{graphicx}"
    body = "\n\\clearpage\n".join(included)
    start = f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n\\section*{{{escaped(title)}}}"
    return f"{start}\n{body}\n\\end{{document}}\n"
