"""What the report says of models that were not pretrained here, by what their files state."""

from pathlib import Path

import pytest

from carryover.reporting.formatting import Words
from chapters.transfer import models
from synthetic_study import make_tables, provenance, write_json, write_study

GGUF = {"name": "A small model", "license": "apache-2.0", "languages": ["en", "es"], "quantised": {"Q8_0": 2000, "Q4_1": 61_000}}
WORDS = Words({"en": "English", "es": "Spanish"}, 1, 0.95, "en")


def write_model(study: Path, name: str, **facts: object) -> None:
    write_json(study / f"pretrained/{name}/provenance.json", provenance(3.0) | {"facts": {"parameters": 64_000, **facts}})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    study = write_study(tmp_path_factory.mktemp("elsewhere"))
    write_model(study, "rounded", gguf=GGUF)
    write_model(study, "whole", gguf=GGUF | {"quantised": {}, "languages": None})
    write_model(study, "silent")
    return make_tables(study)


def test_the_table_has_what_the_files_state_and_no_model_of_ours(tables):
    found = tables["models"].set_index("model")
    assert list(found.index) == ["rounded", "silent", "whole"]
    assert found.loc["rounded", "rounded"] == "61,000 to 4 bits and 2,000 to 8 bits"
    assert found.loc["rounded", ["license", "stated_languages"]].tolist() == ["apache-2.0", "en es"]
    assert found.loc[["silent", "whole"], "rounded"].isna().all()


def test_rounding_and_the_makers_word_are_said_where_they_hold(tables):
    said = " ".join(models.origins(tables, WORDS))
    assert said.count("had been rounded") == 1 and "study had them, 61,000 to 4 bits and 2,000 to 8 bits: its numbers" in said
    assert "That rounded was pretrained on English and Spanish is what its file states" in said
    assert "What silent was pretrained on is its makers' word" in said and "What whole was pretrained on" in said


def test_a_study_of_own_models_says_nothing(tmp_path):
    assert models.origins(make_tables(write_study(tmp_path)), WORDS) == []
