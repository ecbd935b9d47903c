"""What the schema says of keys together: names that are elsewhere, keys that others need, numbers that go by a neighbour."""

import pytest

from carryover.planning.references import check_references
from carryover.runtime.errors import BadInput

SCHEMA = {
    "$defs": {"named": {"x-names": ["colours"], "x-names-also": ["all"]}},
    "properties": {
        "colours": {"type": "array"},
        "shapes": {
            "x-not-names": ["colours"],
            "x-not-names-also": ["all"],
            "x-used-in": ["drawn.*.shape", "kept"],
            "additionalProperties": {"$ref": "#/$defs/named"},
        },
        "drawn": {"items": {"properties": {"shape": {"x-names": ["shapes", "colours"]}}}},
        "kept": {"x-names": ["shapes"]},
        "sources": {
            "additionalProperties": {
                "x-brings": {"source": {"file": "shapes"}},
                "x-needs": {"source": {"file": ["path"], "made": ["seed", "colour"]}},
                "properties": {"colour": {"x-names": ["colours"]}, "seed": {"default": 7}},
            }
        },
        "way": {},
        "ways": {
            "additionalProperties": {
                "x-partial": "way",
                "properties": {"method": {}, "rank": {"x-when": {"method": "fast"}, "properties": {"of": {}}}},
            }
        },
        "script": {"x-names": [{"file": "data/languages.csv", "column": "script"}], "x-hint": "a script of the table"},
        "low": {"x-at-most": "high"},
        "files": {"additionalProperties": {"x-one-of": ["url", "package"], "properties": {"url": {}, "package": {}}}},
        "heads": {"x-divides": "width"},
    },
}
GOOD = {
    "colours": ["red", "green"],
    "shapes": {"round": ["red", "all"], "nowhere": ["blue"]},
    "drawn": [{"shape": "round"}, {"shape": "green"}],
    "kept": None,
    "sources": {
        "one": {"source": "file", "path": "x", "colour": None, "seed": 7},
        "two": {"source": "made", "seed": 0, "colour": "red"},
    },
    "way": {"method": "slow", "rank": {"of": 8}},
    "ways": {"one": {"method": "fast", "rank": {"of": 4}}, "two": {"method": "slow"}},
    "script": "Latin",
    "low": 1,
    "high": 1,
    "heads": 4,
    "width": 8,
}


def test_what_holds_is_taken():
    check_references(GOOD, SCHEMA)
    check_references({}, SCHEMA)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shapes": {"round": ["redd"]}}, r"shapes.round: unknown name 'redd'; did you mean red\?"),
        ({"kept": ["nowhere"]}, "shapes.nowhere: unknown name 'blue'; known: all, red, green"),
        ({"kept": "rnd"}, r"kept: unknown name 'rnd'; did you mean round\?"),
        ({"drawn": [{"shape": "round"}, {"shape": "x"}]}, "drawn.1.shape: unknown name 'x'; known: round, nowhere, red, green"),
        ({"shapes": {"red": [], "round": []}}, "shapes.red: has the name of one in colours"),
        ({"shapes": {"all": [], "round": []}}, "shapes.all: this name is built in"),
        ({"sources": {"one": {"source": "file"}}}, "sources.one: source file needs path"),
        ({"sources": {"one": {"source": "made", "seed": None, "colour": "red"}}}, "sources.one: source made needs seed"),
        ({"sources": {"one": {"source": "made", "seed": 0, "colour": "blue"}}}, "sources.one.colour: unknown name 'blue'"),
        (
            {"sources": {"one": {"source": "file", "path": "x", "colour": "red"}}},
            "sources.one.colour: does nothing where source is file; leave it out",
        ),
        (
            {"sources": {"one": {"source": "file", "path": "x", "seed": 8}}},
            "sources.one.seed: does nothing where source is file; leave it out",
        ),
        ({"ways": {"two": {"rank": {"of": 4}}}}, "ways.two.rank: does nothing where method is slow; leave it out"),
        ({"sources": {"round": {"source": "file", "path": "x"}}}, "sources.round: source file brings one of its own, and shapes"),
        ({"script": "Latn"}, r"script: unknown name 'Latn'; did you mean Latin\?; a script of the table"),
        ({"low": 2}, "low: 2 is more than high, which is 1"),
        ({"heads": 3}, "heads: 3 does not divide width, which is 8"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_place(change, told):
    with pytest.raises(BadInput, match=f"^config: {told}"):
        check_references({**GOOD, **change}, SCHEMA)


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        ({"url": "a", "package": None}, True),
        ({"url": None, "package": {}}, True),
        ({"url": "a", "package": {}}, False),
        ({}, False),
    ],
)
def test_exactly_one_of_two_keys_is_given(entry, fits):
    config = {**GOOD, "files": {"one": entry}}
    if fits:
        check_references(config, SCHEMA)
    else:
        with pytest.raises(BadInput, match=r"config: files\.one: needs one of url and package, and not both"):
            check_references(config, SCHEMA)
