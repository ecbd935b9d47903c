"""Tables as LaTeX: what they say, that nothing in them breaks LaTeX, and that a document with all of them compiles."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from carryover.analysis.records import read_csv
from carryover.reporting import latex
from carryover.reporting.chapters import FILE, FOLDER
from carryover.reporting.formatting import Words
from synthetic_study import CHAPTER, CONFIG, LOOK, ROOT, drawing, make_tables, run_script, tables_of, write_study

PRINTED = [table for table in CHAPTER.tables.values() if table.printed]
WORDS = Words({"en": "English", "es": "Spanish"}, 1, 0.95, "en")


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    study = write_study(tmp_path_factory.mktemp("study"))
    make_tables(study)
    inputs = {"chapters": [FOLDER / "transfer" / FILE], "tables": tables_of(study), "languages": [ROOT / "data/languages.csv"]}
    outputs = {
        "document": [study / "paper/paper.tex"],
        "tex": [study / f"paper/transfer/{table.name}.tex" for table in PRINTED],
        "figures": [study / f"paper/transfer/{name}.pdf" for name in CHAPTER.figures],
    }
    run_script("paper", drawing(LOOK) | {"digits": 1, "title": "50 % of_it & more", "terms": CONFIG["terms"]}, inputs, outputs)
    return study / "paper"


def test_every_row_has_the_columns_of_its_head(paper):
    for path in sorted(paper.glob("transfer/*.tex")):
        text = path.read_text(encoding="utf-8")
        if text == f"% {path.stem}: not in this study\n":
            assert CHAPTER.tables[path.stem].optional
            continue
        aligned = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", text)[1]
        lines = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(aligned)}, path.name
        assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
        assert f"\\label{{tab:transfer-{path.stem}}}" in text
        assert not re.search(r"(?<!\\)[%#_]", text.replace(f"tab:transfer-{path.stem}", "").replace("{%\n", "")), path.name
        assert text.isascii() or not set(text) - {chr(code) for code in range(256)}, path.name


def test_a_table_states_accuracy_n_and_interval(paper):
    study = paper.parent
    row = read_csv(study / "transfer/tables/zero_shot.csv").set_index("language").loc["es"]
    expected = rf"Spanish (es) & {100 * row['accuracy']:.1f}~\% [{100 * row['low']:.1f} to {100 * row['high']:.1f}] & 900"
    assert expected in (paper / "transfer/zero_shot.tex").read_text(encoding="utf-8")


def test_what_latex_would_read_as_a_command_is_printed():
    assert latex.escaped("50 % of a_b & {c} \\d ~ ^ # $") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{}d \textasciitilde{} \textasciicircum{} \# \$"
    )
    assert latex.escaped("\N{MINUS SIGN}3.0\N{NO-BREAK SPACE}% p < 0.001") == r"$-$3.0~\% p $<$ 0.001"


def test_a_table_without_rows_is_a_float_that_says_so():
    text = latex.latex_table("transfer", CHAPTER.tables["equal_effort"], pd.DataFrame(columns=["language", "n"]), WORDS)
    assert "This study has nothing for this table." in text
    assert r"\begin{tabular}" not in text


def test_figures_are_pdf_files_without_a_date(paper):
    for path in sorted(paper.glob("transfer/*.pdf")):
        content = path.read_bytes()
        assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
        assert b"CreationDate" not in content, path.name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine to compile the document with")
def test_the_document_compiles(paper):
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=paper, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not [line for line in done.stdout.splitlines() if line.startswith("Overfull")]
    assert (paper / "paper.pdf").stat().st_size > 50_000
