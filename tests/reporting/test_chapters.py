"""What a chapter declares, and how a wrong declaration is refused."""

import copy
import inspect

import pandas as pd
import pytest
import yaml

from carryover.reporting.cells import KINDS
from carryover.reporting.chapters import FILE, FOLDER, Figure, Sentences, Table, read_chapter
from carryover.reporting.columns import shared_columns
from carryover.reporting.functions import function, parts
from carryover.reporting.provenance import made_by
from carryover.runtime.errors import BadInput
from carryover.runtime.parts import load
from synthetic_study import ROOT

CHAPTERS = {path.parent.name: read_chapter(path) for path in sorted(FOLDER.glob(f"*/{FILE}"))}
LITTLE = {
    "title": "Little",
    "sections": [
        {
            "name": "one",
            "title": "One",
            "contents": [
                {"table": "kept", "function": "tables.kept"},
                {"table": "shown", "title": "Shown", "function": "tables.shown", "caption": "What it shows.", "columns": ["n"]},
                {"figure": "drawn", "function": "figures.drawn", "caption": "What it draws."},
            ],
        }
    ],
}


def write(folder, declared):
    path = folder / "little" / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return path


def changed(place, **facts):
    declared = copy.deepcopy(LITTLE)
    declared["sections"][0]["contents"][place] |= facts
    return declared


def test_a_chapter_is_named_after_its_folder(tmp_path):
    chapter = read_chapter(write(tmp_path, LITTLE))
    assert (chapter.name, list(chapter.tables), list(chapter.figures)) == ("little", ["kept", "shown"], ["drawn"])
    assert chapter.tables["shown"].columns == {"n": shared_columns()["n"]} and not chapter.tables["kept"].columns


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (LITTLE | {"sectoins": []}, "sectoins"),
        (changed(1, columns=["n", "lanugage"]), "lanugage"),
        (changed(1, columns=["n", {"new": {"label": "New"}}]), "section one"),
        (changed(1, printed=["accuracy"]), "printed column accuracy"),
        (changed(1, table="kept"), "kept is declared twice"),
        (changed(1, caption="*what* it shows"), "caption"),
        (changed(2, function="figures"), "function"),
        (changed(0, each_model_of="absent"), "each_model_of"),
    ],
)
def test_a_wrong_declaration_is_refused_in_one_line(tmp_path, declared, said):
    if "each_model_of" in declared["sections"][0]["contents"][0]:
        declared["sections"][0]["contents"][0] = {"sentences": ["sentences.one"], "each_model_of": "absent"}
    with pytest.raises(BadInput, match=said) as refused:
        read_chapter(write(tmp_path, declared))
    assert "little" in str(refused.value) and "\n" not in str(refused.value)


def test_a_column_of_one_table_changes_no_other(tmp_path):
    chapter = read_chapter(write(tmp_path, changed(1, columns=["language", {"n": {"label": "Languages", "job": "fertility"}}])))
    column = chapter.tables["shown"].columns["n"]
    assert (column.label, column.kind, column.job) == ("Languages", "count", "fertility")
    assert shared_columns()["n"].label == "n"


@pytest.mark.parametrize("name", CHAPTERS)
def test_declared_and_defined_functions_are_the_same(name):
    """A function that no chapter.yaml names would be dead, one that is not there would fail in a job."""
    chapter = CHAPTERS[name]
    declared = [*chapter.functions(Table).values(), *chapter.functions(Figure).values(), *chapter.said]
    modules = load(parts({name: declared}))
    for one in declared:
        assert callable(function(modules, name, one)), one
    for module in {one.split(".")[0] for one in declared}:
        found = modules[f"chapters.{name}.{module}"]
        defined = [
            f"{module}.{attribute}"
            for attribute, value in vars(found).items()
            if inspect.isfunction(value) and value.__module__ == found.__name__ and not attribute.startswith("_")
        ]
        helpers = {one for one in defined if not _is_declarable(getattr(found, one.split(".")[1]))}
        assert set(defined) - helpers == {one for one in declared if one.startswith(f"{module}.")}, module


def _is_declarable(found) -> bool:
    """A function of a study, or of tables with the look or the words: those that a chapter.yaml can name."""
    first, *others = inspect.signature(found).parameters.values()
    return (first.name, len(others)) in {("study", 0), ("tables", 1)}


def test_a_function_that_is_not_there_is_named():
    modules = load(parts({"transfer": ["tables.seeds"]}))
    with pytest.raises(BadInput, match=r"transfer: there is no function tables\.sedes"):
        function(modules, "transfer", "tables.sedes")


@pytest.mark.parametrize("name", CHAPTERS)
def test_kinds_and_captions_are_known(name):
    for table in CHAPTERS[name].tables.values():
        assert {column.kind for column in table.columns.values()} <= set(KINDS), table.name
    assert all(isinstance(sentences.functions, tuple) for sentences in CHAPTERS[name].contents(Sentences))


def test_the_closing_chapter_is_a_chapter_too():
    closing = read_chapter(ROOT / "report/closing.yaml")
    assert {"jobs", "planned", "blast_radius"} <= set(closing.tables)


def test_a_cell_leads_to_its_job_by_what_its_column_says():
    row = {
        "model": "toy",
        "task": "nli",
        "method": "full",
        "variant": "a",
        "train": "en",
        "seed": 3,
        "language": "es",
        "split": "train",
    }
    assert made_by("prediction", row, "transfer/tables")[0] == "predictions/toy/nli/full/a/en/seed3/nli/full"
    assert made_by("training", row, "transfer/tables") == ["models/toy/nli/full/a/en/seed3", "transfer/tables"]
    assert made_by("corpus", row, "transfer/tables") == ["corpus/nli/es.training"]
    assert made_by("pretrained/{model}", row, "transfer/tables") == ["pretrained/toy"]
    assert made_by("table", row, "transfer/tables") == ["transfer/tables"]
    assert made_by(None, row, "transfer/tables") == []
    assert made_by("training", {"train": pd.NA}, "transfer/tables") == ["transfer/tables"]
