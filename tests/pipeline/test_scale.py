"""A large study can be planned: the jobs and the memory of benchmarks/scale.py. Times are in docs/scale.md, and hold no test."""

import json
import subprocess
import sys

import pytest

from study_runner import PROJECT


@pytest.mark.slow
def test_fifteen_hundred_runs_are_planned_within_two_gigabytes():
    made = subprocess.run([sys.executable, "benchmarks/scale.py"], cwd=PROJECT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    measured = json.loads(made.stdout)
    assert measured["runs"] == 1500 and measured["new"]["jobs"] > 3000
    assert measured["new"]["peak_mib"] < 2048, measured
