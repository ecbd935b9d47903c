"""A large study can be planned: what benchmarks/scale.py measures, within bounds that a loaded machine keeps too."""

import json
import subprocess
import sys

import pytest

from study_runner import PROJECT


@pytest.mark.slow
def test_fifteen_hundred_runs_are_planned_within_a_minute_and_two_gigabytes():
    made = subprocess.run([sys.executable, "benchmarks/scale.py"], cwd=PROJECT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    measured = json.loads(made.stdout)
    assert measured["runs"] == 1500 and measured["new"]["jobs"] > 3000
    assert measured["new"]["peak_mib"] < 2048
    assert measured["new"]["processor_seconds"] < 60, measured  # time on a processor: others may want it too
