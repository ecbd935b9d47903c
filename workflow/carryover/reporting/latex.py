"""Tables as LaTeX for a paper: booktabs, with the numbers, names and captions of the report.

A table is a `table` float with a label `tab:CHAPTER-NAME`, to be had by `\\input`; it needs the packages booktabs and graphicx.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from carryover.reporting.cells import NUMERIC, cell
from carryover.reporting.chapters import Chapter, Table
from carryover.reporting.formatting import MINUS, SPACE, Words
from carryover.reporting.page import columns_with_values

FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # shrinks what is wider than the text
SPECIAL = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{SPACE: "~", MINUS: "$-$", "ρ": r"$\rho$", "<": "$<$", ">": "$>$"},
}


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub("|".join(re.escape(character) for character in SPECIAL), lambda found: SPECIAL[found[0]], text)


def latex_table(chapter: str, table: Table, rows: pd.DataFrame, words: Words) -> str:
    """One float with the table's printed columns, without those that are empty throughout; no rows are said in a line, or,
    where the table is optional, in a comment."""
    caption = f"\\caption{{{escaped(table.caption)}}}\n\\label{{tab:{chapter}-{table.name}}}"
    columns = columns_with_values({name: table.columns[name] for name in table.printed}, rows)
    if not columns and table.optional:
        return f"% {table.name}: not in this study\n"
    if not columns:
        return f"\\begin{{table}}\n\\centering\n{caption}\nThis study has nothing for this table.\n\\end{{table}}\n"
    aligned = "".join("r" if column.kind in NUMERIC else "l" for column in columns.values())
    lines = [" & ".join(escaped(column.label) for column in columns.values())]
    for row in rows.to_dict("records"):
        lines.append(" & ".join(escaped(cell(row, name, column.kind, words)[0]) for name, column in columns.items()))
    head, *body = [f"{line} \\\\" for line in lines]
    inside = "\n".join(["\\toprule", head, "\\midrule", *body, "\\bottomrule"])
    tabular = f"{FITTED}{{%\n\\begin{{tabular}}{{@{{}}{aligned}@{{}}}}\n{inside}\n\\end{{tabular}}}}"
    return f"\\begin{{table}}\n\\centering\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n{caption}\n{tabular}\n\\end{{table}}\n"


def document(chapters: Iterable[Chapter], title: str) -> str:
    """A document that shows how tables and figures are included, and that all of them compile."""
    included = []
    for chapter in chapters:
        included.append(f"\\section*{{{escaped(chapter.title)}}}")
        included += [f"\\input{{{chapter.name}/{table.name}}}" for table in chapter.tables.values() if table.printed]
        included += [
            f"\\begin{{figure}}\n\\centering\n\\includegraphics[width=\\linewidth]{{{chapter.name}/{figure.name}}}\n"
            f"\\caption{{{escaped(figure.caption)}}}\n\\label{{fig:{chapter.name}-{figure.name}}}\n\\end{{figure}}"
            for figure in chapter.figures.values()
        ]
    packages = "\\usepackage[a4paper,margin=18mm]{geometry}\n\\usepackage{booktabs}\n\\usepackage{graphicx}"
    body = "\n\\clearpage\n".join(included)
    start = f"\\documentclass{{article}}\n{packages}\n\\title{{{escaped(title)}}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle"
    return f"{start}\n{body}\n\\end{{document}}\n"
