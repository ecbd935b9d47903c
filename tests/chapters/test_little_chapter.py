"""A chapter is a folder and a script: one of a few lines is added to a copy of the project, and stands in its report."""

import json
import re

import pytest
import yaml

from study_runner import clone, planned, snakemake
from synthetic_study import provenance

CHAPTER = {
    "chapters/little/schema.yaml": """
x-radius: {everything: [little_tables]}
x-runs: [little_tables, drawn]
description: how many languages share a script
type: object
additionalProperties: false
properties:
  least: {description: languages that a script must have to be counted, type: integer, minimum: 1, default: 1, x-other: [2]}
""",
    "chapters/little/chapter.yaml": """
title: Scripts
sections:
  - name: scripts
    title: Languages by script
    contents:
      - sentences: [sentences.commonest]
      - table: scripts
        title: Scripts
        function: tables.scripts
        caption: How many languages are written in a script.
        columns: [script: {label: Script, kind: text}, languages: {label: Languages, kind: count, job: table}]
        printed: [script, languages]
      - figure: counts
        function: figures.counts
        caption: Languages by script.
""",
    "chapters/little/rules.smk": """
MADE.append(f"{RESULTS}/little/tables/provenance.json")


use rule job as little_tables with:
    input:
        languages="data/languages.csv",
    output:
        tables=tables_of("little"),
        provenance=f"{RESULTS}/little/tables/provenance.json",
    log:
        f"{RESULTS}/logs/little_tables.log",
    params:
        **keyed("little_tables", **config["little"], **functions_of("little")),
""",
    "chapters/little/tables.py": """
def scripts(source):
    counts = source["languages"]["script"].value_counts()
    return counts[counts >= source["least"]].rename_axis("script").reset_index(name="languages")
""",
    "chapters/little/figures.py": """
from carryover.reporting.style import panels, styled


@styled
def counts(tables, look):
    figure, (axis,) = panels(1, 2)
    axis.bar(tables["scripts"]["script"], tables["scripts"]["languages"], color=look.colours[0])
    return figure, tables["scripts"]
""",
    "chapters/little/sentences.py": """
def commonest(tables, words):
    first = tables["scripts"].iloc[0]
    return [f"Most languages are written in {first['script']}: {first['languages']}."]
""",
    "scripts/little_tables.py": """
from carryover.analysis.records import read_csv
from carryover.reporting.chapter_tables import write_tables
from carryover.runtime.job import run_job

if __name__ == "__main__":
    run_job(lambda job: write_tables(job, {"languages": read_csv(job.input("languages")), "least": job.config["least"]}))
""",
}
MINI = ("--configfile", "workflow/overlays/mini.yaml", "little.yaml")
RULES = ("little_tables", "figures", "report")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    directory = clone(tmp_path_factory.mktemp("chapter") / "carryover")
    for name, text in CHAPTER.items():
        path = directory / "workflow" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.lstrip("\n"), encoding="utf-8")
    (directory / "little.yaml").write_text(yaml.safe_dump({"transfer": None, "little": {}}), encoding="utf-8")
    return directory


def stand_in(path):
    """What a job before would have left there, as far as the report reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plan = "job,stage,examples,tokens,updates,flops,estimated_seconds\n"
    record = provenance(1.0) if path.name.endswith("provenance.json") else {"device": "cpu"}
    path.write_text(plan if path.name == "plan.csv" else json.dumps(record), encoding="utf-8")


def test_its_table_figure_and_sentence_are_in_the_report_and_nothing_else_names_it(project):
    jobs = planned(project, *MINI)
    assert jobs["little_tables"] == 1 and "transfer_tables" not in jobs
    shown = snakemake(project, "results/mini/report.html", "--dry-run", *MINI).stdout
    listed = re.search(r"rule report:\n    input: (.*)\n", shown)[1].split(", ")
    for name in listed:
        made_here = "/little/" in name or name.endswith("figures.provenance.json")
        if name.startswith("results/") and not made_here:
            stand_in(project / name)
    ran = snakemake(project, "results/mini/report.html", "--allowed-rules", *RULES, *MINI)
    assert ran.returncode == 0, ran.stdout[-3000:]
    page = (project / "results/mini/report.html").read_text(encoding="utf-8")
    assert ">1. Scripts</h2>" in page and ">1.1. Languages by script</h3>" in page
    latin = (project / "data/languages.csv").read_text(encoding="utf-8").count(",Latin")
    assert f"Most languages are written in Latin: {latin}." in page
    table = re.search(r'<details id="table-little-scripts".*?</details>', page, re.DOTALL)[0]
    assert 'href="#job-little-tables"' in table and "Cyrillic" in table
    figure = re.search(r'<figure id="figure-little-counts".*?</figure>', page, re.DOTALL)[0]
    assert "<svg" in figure and "Languages by script." in figure
    assert (project / "results/mini/captions/little-counts.rst").read_text() == "Languages by script.\n"
    for folder in ("workflow", "report", "tests/reporting", "Snakefile", "config.yaml"):
        paths = [project / folder] if (project / folder).is_file() else (project / folder).rglob("*")
        own = [project / "workflow" / name for name in CHAPTER]
        others = (path for path in paths if path.is_file() and path not in own and "__pycache__" not in path.parts)
        assert not [path for path in others if "little_tables" in path.read_text(encoding="utf-8", errors="replace")]


def test_what_it_declares_wrong_is_one_line_before_anything_runs(project, tmp_path):
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump({"little": {"leats": 2}}), encoding="utf-8")
    ran = snakemake(project, *MINI, str(tmp_path / "wrong.yaml"), "--dry-run")
    assert ran.returncode == 1 and "unknown key little.leats; did you mean least?" in ran.stdout
