"""What a study took against what was planned of it."""

import json

import pandas as pd
import pytest

from carryover.reporting.formatting import Words
from carryover.reporting.provenance import job_sentences, planned_against_spent, planned_table

NOTHING = {"examples": None, "tokens": None, "updates": None, "flops": None}
PLAN = pd.DataFrame(
    [
        {"job": "models/run/seed0", "stage": "models", **NOTHING, "examples": 200, "updates": 50, "estimated_seconds": 40.0},
        {"job": "predictions/run", "stage": "predictions", **NOTHING, "estimated_seconds": 20.0},
        {"job": "fertility/bpe/nli", "stage": "fertility", **NOTHING, "estimated_seconds": 5.0},  # has not run
        {"job": "plan", "stage": "plan", **NOTHING, "estimated_seconds": 0.0},  # has no estimate
    ]
)
JOBS = pd.DataFrame(
    {
        "job": ["models/run/seed0", "predictions/run", "plan", "report"],
        "seconds": [50.0, 28.0, 1000.0, 7.0],
        "device": ["cpu", None, None, None],
    }
)


@pytest.fixture
def planned(tmp_path):
    record = tmp_path / "models" / "run" / "seed0" / "training.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"examples": 198, "updates": 50, "tokens": 9000}), encoding="utf-8")
    return planned_table(PLAN, JOBS, [record], tmp_path)


def test_every_planned_job_has_what_it_spent(planned):
    table = planned.set_index("job")
    assert list(table["ratio"][:2]) == [1.25, 1.4] and table["ratio"][2:].isna().all()
    assert table.loc["models/run/seed0", ["spent_examples", "spent_updates", "spent_tokens"]].tolist() == [198, 50, 9000]
    assert pd.isna(table.loc["predictions/run", "spent_examples"])
    assert "report" not in table.index


def test_a_ratio_is_of_the_jobs_that_have_both(planned):
    """Neither what has not run nor what has no estimate stands on one side alone."""
    assert planned_against_spent(planned) == (2, 60.0, 78.0)
    assert planned_against_spent(planned[2:]) == (0, 0.0, 0.0)
    assert planned_against_spent(pd.DataFrame(columns=["job"])) == (0, 0.0, 0.0)


def test_the_report_says_how_many_times_as_long_it_took(planned):
    words = Words({}, 1, 0.95, "en")
    said = " ".join(job_sentences({"jobs": JOBS, "planned": planned}, words)).replace("\N{NO-BREAK SPACE}", " ")
    assert "The plan predicted 60 s for the 2 jobs that it has an estimate for, which took 78 s, 1.30 times as long." in said
    assert "predicted" not in " ".join(job_sentences({"jobs": JOBS, "planned": planned[2:]}, words))
