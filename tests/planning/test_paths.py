"""Paths of a study: what is written is read back."""

from pathlib import Path

import pytest

from carryover.planning.paths import (
    EvaluationSet,
    Layout,
    System,
    as_it_is,
    likelihood_of,
    prediction_of,
    run_name,
    run_of,
    system_of,
)
from carryover.runtime.errors import BadInput

SYSTEM = System("qwen2.5", "nli", "lora", "rank_8", "joint")
STUDY = Layout("results/models")  # a study may have the name of a folder inside it


@pytest.mark.parametrize("system", [SYSTEM, as_it_is("gpt2")])
def test_a_run_is_read_back_from_its_paths(system):
    run = run_name(system, 12)
    assert system_of(run) == (system, 12)
    assert run_of(Path("/somewhere/predictions", STUDY.run(run), "training.json")) == (system, 12)
    path = Path("/x", STUDY.prediction(run, "tagging", "shuffled", "pt-BR", "dev"))
    assert prediction_of(path) == (system, 12, EvaluationSet("tagging", "shuffled", "dev", "pt-BR"))
    assert likelihood_of(Path("/x", STUDY.likelihood(run, "pt-BR"))) == (system, 12, "pt-BR")


def test_the_parts_of_a_path_may_be_wildcards():
    assert STUDY.prediction("{run}", "{task}", "{view}", "{language}", "dev") == (
        "results/models/predictions/{run}/{task}/{view}/{language}.dev.parquet"
    )


@pytest.mark.parametrize(
    "run", ["gpt2/nli/full/baseline/en", "gpt2/nli/full/baseline/en/seedling", "gpt2/full/baseline/en/seed0", "a/b/c/d/e/3"]
)
def test_what_is_no_run_is_refused(run):
    with pytest.raises(BadInput, match="seed<n>"):
        system_of(run)


@pytest.mark.parametrize("path", ["results/x/gpt2/file.parquet", "predictions/a/b/c/d/e/seed0/full/en.test.parquet"])
def test_what_is_no_prediction_is_refused(path):
    with pytest.raises(BadInput, match="predictions/"):
        prediction_of(Path(path))


@pytest.mark.parametrize("fills_folder", [True, False])
def test_a_job_is_named_by_the_place_of_its_provenance(fills_folder):
    job = f"predictions/{run_name(SYSTEM, 0)}/nli/full"
    assert STUDY.job(STUDY.provenance(job, fills_folder)) == job
