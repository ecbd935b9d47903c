"""A key that is given twice is refused with both lines, in every file that Snakemake was given."""

import pytest
import yaml

from carryover.planning.yaml_files import read_yaml
from carryover.runtime.errors import BadInput
from study_runner import PROJECT, clone, snakemake


def written(directory, text):
    path = directory / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "a is given twice, in lines 1 and 3"),
        ("a:\n  b: {c: 1, c: 2}\n", "a.b.c is given twice, in lines 2 and 2"),
        ("a:\n- {b: 1}\n- {b: 1,\n   b: 2}\n", "a.1.b is given twice, in lines 3 and 4"),
        ("'a': 1\na: 1\n", "a is given twice, in lines 1 and 2"),
        ("a:\n\tb: 1\n", "line 2: not YAML"),
        ("a: *nobody\n", "line 1: not YAML"),
    ],
)
def test_what_is_not_one_document_of_distinct_keys_is_refused_in_one_line(tmp_path, text, told):
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        read_yaml(path)
    assert told in str(caught.value) and str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_equal_keys_of_different_mappings_are_fine(tmp_path):
    text = "base: &base {a: 1}\nother: {<<: *base, b: 2}\nlist: [{a: 1}, {a: 2}]\n"
    assert read_yaml(written(tmp_path, text)) == yaml.safe_load(text)
    assert read_yaml(written(tmp_path, "# nothing\n")) is None


@pytest.mark.parametrize(
    "path", [PROJECT / "config.yaml", *(PROJECT / "workflow" / "overlays").glob("*.yaml")], ids=lambda path: path.stem
)
def test_shipped_files_are_read_as_yaml_reads_them(path):
    assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_snakemake_refuses_a_key_given_twice_in_any_of_its_files(tmp_path):
    directory = clone(tmp_path / "carryover")
    overlay = written(directory, "finetune:\n  recipe:\n    lr: 1.0e-3\n    lr: 1.0e-4\n")
    told = snakemake(directory, "--dry-run", "--configfile", "workflow/overlays/mini.yaml", "mine.yaml")
    assert told.returncode == 1 and "Traceback" not in told.stdout
    assert f"error: {overlay}: finetune.recipe.lr is given twice, in lines 3 and 4" in told.stdout
    with (directory / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("\nstudy: another\n")
    told = snakemake(directory, "--dry-run", "--configfile", "workflow/overlays/mini.yaml")
    assert told.returncode == 1 and "error: config.yaml: study is given twice, in lines 3 and " in told.stdout
