"""What the schema says of a task, for rules that load no code, is what its code says."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

from carryover.planning.schema import WORKFLOW

SCHEMAS = sorted((WORKFLOW / "schemas/tasks").glob("*.yaml"))
CONTRACT = ("read", "apply_view", "encode")
ANSWER = ("load", "prepare", "restore", "save", "loss", "score", "criterion", "predictions")


def test_every_task_has_a_schema():
    library = Path(WORKFLOW / "carryover/tasks")
    assert {path.stem for path in library.glob("*.py")} - {"__init__"} == {path.stem for path in SCHEMAS}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_schema_and_code_say_the_same(path):
    schema, task = yaml.safe_load(path.read_text(encoding="utf-8")), import_module(f"carryover.tasks.{path.stem}")
    answer = import_module(f"carryover.answers.{task.ANSWER}")
    assert schema["x-answer"] == task.ANSWER
    assert schema["x-views"] == list(task.VIEWS) and task.VIEWS[0] == "full"
    assert schema["x-metrics"] == list(task.METRICS)
    assert schema["x-files"] == list(answer.FILES)
    for name in task.METRICS:
        assert callable(import_module(f"carryover.metrics.{name}").sums)
    assert all(callable(getattr(task, name)) for name in CONTRACT)
    assert all(callable(getattr(answer, name)) for name in ANSWER)
