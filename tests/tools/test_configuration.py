"""The page of all keys is what the schema says."""

import re

from carryover.planning.schema import load_schema
from tools.configuration import PAGE, page
from tools.leaves import schema_leaves

SCHEMA = load_schema()


def test_the_page_is_made_from_the_schema():
    assert PAGE.read_text(encoding="utf-8") == page(SCHEMA), "run make configuration"


def test_every_key_has_a_row_with_meaning_and_value():
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in page(SCHEMA).splitlines() if line.startswith("| `")]
    keys = {row[0].strip("`"): row for row in rows if len(row) == 5}
    for place, _, _ in schema_leaves(SCHEMA):
        if not place.startswith("finetune.variants.*."):  # each is one of the recipe's
            assert place in keys and len(keys[place][1]) > 4 and keys[place][2], place
    assert "finetune.variants.*" in keys
    assert keys["finetune.recipe.lr"][2:4] == ["number above 0 to 1", "`5.0e-05`"]
    assert keys["finetune.keep"][2] == "list of text named in `finetune.variants`, or null"
    assert keys["study"][3] == keys["finetune.runs"][3] == "required"


def test_every_name_in_the_last_column_is_a_rule_or_a_list():
    known = {*SCHEMA["x-radius"], *(rule for rules in SCHEMA["x-radius"].values() for rule in rules)}
    for _, _, declared in schema_leaves(SCHEMA):
        assert set(declared) <= known
