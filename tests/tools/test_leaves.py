"""Every leaf of the configuration says in the schema which value to try and what it runs again."""

import copy
import csv
from pathlib import Path

import jsonschema
import pytest

from carryover.planning.config import resolve
from carryover.planning.schema import load_schema
from tools.blast import MATRIX, STUDIES, config_of, merge
from tools.leaves import change, expand, leaves, schema_leaves
from tools.listing import ROOT, read_jobs

SCHEMA = load_schema()
RADIUS = SCHEMA["x-radius"]
LEAVES = {place: (schema, declared) for place, schema, declared in schema_leaves(SCHEMA)}
CONFIGS = {name: config_of(ROOT, overlays) for name, overlays in STUDIES.items()}


@pytest.mark.parametrize("place", LEAVES)
def test_every_leaf_has_another_value_and_says_what_it_runs(place):
    """After adding a key: give it `x-other`, and `x-runs` where its section's is not right; then `make blast`."""
    schema, declared = LEAVES[place]
    assert schema.get("x-other"), "no x-other: a list of values to change it to"
    assert "config" in expand(declared, RADIUS)
    assert expand(declared, RADIUS) <= set(RADIUS["everything"])
    plain = {"$defs": SCHEMA["$defs"], **schema}
    for value in schema["x-other"]:
        jsonschema.Draft202012Validator(plain).validate(value)


def test_every_place_of_a_shipped_config_is_a_leaf_of_the_schema():
    places = {leaf.place for config in CONFIGS.values() for leaf in leaves(config, SCHEMA)}
    unused = {"models.*.path", "models.*.repo", "models.*.revision"}  # sources that neither study has
    unused |= {place for place in LEAVES if place.startswith("fetch.files.*.package.")}
    used = {f"finetune.recipe.{config['finetune']['recipe']['method']}." for config in CONFIGS.values()}
    variants = [variant for config in CONFIGS.values() for variant in config["finetune"]["variants"].values()]
    used |= {f"finetune.variants.*.{variant['method']}." for variant in variants if "method" in variant}
    methods = SCHEMA["$defs"]["finetuning"]["properties"]["method"]["enum"]  # a recipe's options, where none has the method
    options = {f"finetune.{place}.{method}." for place in ("recipe", "variants.*") for method in methods} - used
    unused |= {place for place in LEAVES if place.startswith(tuple(options))}
    tasks = set(SCHEMA["properties"]["tasks"]["properties"]) - {name for config in CONFIGS.values() for name in config["tasks"]}
    unused |= {place for place in LEAVES if place.startswith(tuple(f"tasks.{name}." for name in tasks))}
    assert set(LEAVES) - places <= unused
    assert places <= set(LEAVES)


def test_a_change_changes_its_leaf_alone():
    """What the overlay gives, merged as Snakemake does and resolved, differs in the leaf (and what is changed with it)."""
    base = CONFIGS["mini"]
    before = {one.name: one.value for one in leaves(base, SCHEMA)}
    for leaf in leaves(base, SCHEMA):
        changed = resolve(merge(copy.deepcopy(base), change(base, leaf)), SCHEMA)
        after = {one.name: one.value for one in leaves(changed, SCHEMA)}
        different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        along = {name for names in leaf.schema.get("x-with", {}).values() for name in names}
        beside = {leaf.name.rsplit(".", 1)[0] + f".{other}" for other in along}
        assert leaf.name in different
        options = {path for path in different if path not in before or (before[path] is not None and path not in after)}
        assert different - options <= {leaf.name, *beside}, leaf.name  # and those of a method or source now or no longer in use
        assert not options or leaf.name.endswith((".method", ".source", ".tokenizer", ".task")), leaf.name


def test_the_matrix_has_a_row_a_leaf_and_a_column_a_rule():
    rows = list(csv.reader(MATRIX.open(encoding="utf-8")))
    head, names = rows[0], [row[0] for row in rows[1:]]
    assert head[0] == "leaf" and len(set(head)) == len(head) and set(head[1:]) <= set(RADIUS["everything"])
    assert sorted(names) == sorted(set(names)) and len(names) > 150
    assert all(cell in ("", "1") for row in rows[1:] for cell in row[1:])


def test_the_matrix_is_what_the_schema_declares():
    """No leaf beyond what is declared for it; `make blast` shows that the matrix is what Snakemake does."""
    rows = list(csv.DictReader(MATRIX.open(encoding="utf-8")))
    allowed = {leaf.name: leaf.allowed for config in CONFIGS.values() for leaf in leaves(config, SCHEMA)}
    for row in rows:
        ran = {rule for rule in row if rule != "leaf" and row[rule]}
        assert ran <= expand(allowed.get(row["leaf"], ("everything",)), RADIUS), row["leaf"]


def test_a_dry_run_is_read_as_its_jobs():
    text = Path(__file__).with_name("dry_run.txt").read_text(encoding="utf-8")
    jobs = read_jobs(text)
    assert [(job.rule, job.family) for job in jobs] == [("predict_all", "predict"), ("report", "report"), ("fetch", "fetch")]
    assert jobs[0].inputs == ("a/model.safetensors", "a/en.dev.safetensors") and jobs[0].outputs == (
        "p/en.dev.parquet",
        "p/x.json",
    )
    assert jobs[0].reason == "Input files updated by another job: a/model.safetensors"
    assert jobs[0].key == {"code": "c", "config": {"template": "one: {two}\nthree"}}
    assert jobs[0].provenance == "p/x.json" and jobs[2].inputs == ()
    assert jobs[2].key == {"config": {"path": "a (b)"}} and jobs[2].provenance == "y.json"
