"""The schema is composed of a file for each section; a chapter adds its own, and its rules to what shared keys run again."""

import shutil

import pytest
import yaml

from carryover.planning.config import resolve
from carryover.planning.schema import WORKFLOW, at, load_schema, method_files
from carryover.runtime.errors import BadInput
from tools.leaves import expand, schema_leaves

CHAPTER = {
    "description": "a chapter",
    "additionalProperties": False,
    "x-runs": ["colours"],
    "x-radius": {"trained": ["colours"], "colours": ["colours_tables", "shown"], "everything": ["colours_tables"]},
    "x-extends": {"report.confidence": ["colours"], "finetune.runs.*.seeds": ["colours"]},
    "properties": {"shades": {"description": "how many", "type": "integer", "minimum": 1, "default": 3, "x-other": [4]}},
}


@pytest.fixture
def workflow(tmp_path):
    """A copy of the folder in which the schema's files lie."""
    shutil.copytree(WORKFLOW / "schemas", tmp_path / "schemas")
    return tmp_path


def add(workflow, name, chapter):
    (workflow / "chapters" / name).mkdir(parents=True)
    (workflow / "chapters" / name / "schema.yaml").write_text(yaml.safe_dump(chapter), encoding="utf-8")


def test_every_file_is_a_section_and_every_section_is_included(workflow):
    schema = load_schema()
    files = {path.stem for path in (WORKFLOW / "schemas").glob("*.yaml")} - {"config", "shared"}
    assert files <= set(schema["properties"])
    assert not any("$ref" in section and not section["$ref"].startswith("#") for section in schema["properties"].values())


def test_a_chapter_is_an_optional_section_that_may_be_null(workflow, least):
    add(workflow, "colours", CHAPTER)
    schema = load_schema(workflow)
    assert "colours" not in resolve(least, schema)
    assert resolve({**least, "colours": None}, schema)["colours"] is None
    assert resolve({**least, "colours": {}}, schema)["colours"] == {"shades": 3}
    with pytest.raises(BadInput, match=r"unknown key colours\.shade; did you mean shades\?"):
        resolve({**least, "colours": {"shade": 1}}, schema)


def test_a_chapter_extends_what_shared_keys_run_again(workflow):
    before = load_schema(workflow)
    add(workflow, "colours", CHAPTER)
    after = load_schema(workflow)
    runs = [
        {place: expand(declared, schema["x-radius"]) for place, _, declared in schema_leaves(schema)}
        for schema in (before, after)
    ]
    changed = {place: found - runs[0].get(place, set()) for place, found in runs[1].items() if found != runs[0].get(place)}
    for place in ("report.confidence", "finetune.runs.*.seeds", "finetune.recipe.lr", "colours.shades"):
        assert "colours_tables" in changed[place], place
    assert "report.digits" not in changed and "figures.palette" not in changed


def test_a_chapter_has_a_name_of_its_own_and_extends_keys_that_are_there(workflow):
    add(workflow, "colours", {**CHAPTER, "x-extends": {"report.confidense": ["colours"]}})
    with pytest.raises(BadInput, match=r"the chapter colours extends report\.confidense, which is no key"):
        load_schema(workflow)
    shutil.rmtree(workflow / "chapters" / "colours")
    add(workflow, "report", CHAPTER)
    with pytest.raises(BadInput, match="report has the name of a section"):
        load_schema(workflow)


def test_a_place_is_looked_up_through_references():
    schema = load_schema()
    assert at(schema, "finetune.variants.*.lr")["type"] == "number"
    assert at(schema, "finetune.runs.*.seeds.*")["type"] == "integer"
    with pytest.raises(BadInput, match="is no key"):
        at(schema, "study.name")


KEYWORDS = {"x-radius", "x-runs", "x-also", "x-may", "x-other", "x-with", "x-when", "x-partial", "x-hint", "x-form", "x-words"}
KEYWORDS |= {
    "x-names",
    "x-names-also",
    "x-not-names",
    "x-not-names-also",
    "x-used-in",
    "x-needs",
    "x-brings",
    "x-along",
    "x-at-most",
    "x-one-of",
    "x-divides",
}


def keywords(value):
    """All keywords of the project's own in a schema."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from (name,) if str(name).startswith("x-") else ()  # a value of another kind in `x-with`
        yield from keywords(inner)
    for inner in value if isinstance(value, list) else ():
        yield from keywords(inner)


def test_no_keyword_is_misspelt():
    """JSON schema takes any keyword: one that nothing reads would declare nothing."""
    assert set(keywords(load_schema())) <= KEYWORDS


def test_every_place_that_the_schema_refers_to_is_a_key():
    schema = load_schema()

    def sources(value):
        for name, inner in value.items() if isinstance(value, dict) else ():
            if name in ("x-names", "x-not-names", "x-used-in"):
                yield from (source for source in inner if isinstance(source, str))
            yield from sources(inner)
        for inner in value if isinstance(value, list) else ():
            yield from sources(inner)

    found = set(sources(schema))
    assert {"fetch.files", "finetune.runs.*.train"} <= found
    for place in found:
        at(schema, place)


def test_a_task_has_the_keys_of_all_tasks_and_its_own():
    schema = load_schema()
    task, shared = schema["properties"]["tasks"]["properties"]["nli"], schema["$defs"]["task"]
    assert set(shared["properties"]) < set(task["properties"])
    own = {"description": task["properties"]["max_length"]["description"]}
    assert task["properties"]["max_length"] == shared["properties"]["max_length"] | own != shared["properties"]["max_length"]


def test_the_files_of_a_method_are_those_that_its_schema_names():
    assert method_files("lora") == ["adapter_config.json", "adapter_model.safetensors"]
    with pytest.raises(BadInput, match="no method lra"):
        method_files("lra")
