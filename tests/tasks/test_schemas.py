"""Every task has its schema, and the functions that rules, training and prediction call."""

from importlib import import_module
from pathlib import Path

import pytest

from carryover.planning import runs
from carryover.planning.schema import WORKFLOW, load_schema

TASKS = sorted(path.stem for path in (WORKFLOW / "carryover/tasks").glob("*.py") if path.stem != "__init__")
OF_TASK = ("read", "apply_view", "encode")
OF_ANSWER = ("load", "prepare", "restore", "save", "loss", "score", "criterion", "predictions")


def test_every_task_has_a_schema():
    assert sorted(path.stem for path in Path(WORKFLOW / "schemas/tasks").glob("*.yaml")) == TASKS


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_the_contract(name):
    task = import_module(f"carryover.tasks.{name}")
    answer = import_module(f"carryover.answers.{task.ANSWER}")
    assert all(callable(getattr(task, function)) for function in OF_TASK)
    assert all(callable(getattr(answer, function)) for function in OF_ANSWER)
    assert task.VIEWS[0] == "full"
    assert all(callable(import_module(f"carryover.metrics.{metric}").sums) for metric in task.METRICS)
    options = load_schema()["properties"]["tasks"]["properties"][name]["properties"]
    assert all(set(needed) <= set(options) for needed in task.METRICS.values())
    assert (runs.answer_of(name), runs.answer_files(name)) == (task.ANSWER, list(answer.FILES))
