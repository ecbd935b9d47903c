"""Reading YAML: a key that is given twice is an error, where YAML's parsers let the last one win in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from carryover.runtime.errors import BadInput


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises BadInput where it is not YAML, or gives a key twice: with the file, the key and both lines.
    """
    try:
        document = yaml.compose(path.read_text(encoding="utf-8"), Loader=Loader)
    except UnicodeDecodeError as problem:
        raise BadInput(f"{path}: not UTF-8: {problem.reason} at byte {problem.start}") from problem
    except yaml.MarkedYAMLError as problem:
        line = f", line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise BadInput(f"{path}{line}: not YAML: {problem.problem}") from problem
    except yaml.YAMLError as problem:
        raise BadInput(f"{path}: not YAML: {' '.join(str(problem).split())}") from problem
    if document is None:
        return None
    _refuse_repeated(document, path, ())
    loader = Loader("")
    try:
        return loader.construct_document(document)
    finally:
        loader.dispose()


# The parser in C reads the schema in a tenth of the time; not every build of PyYAML has it.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_repeated(node: yaml.Node, path: Path, place: tuple[str, ...]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _refuse_repeated(item, path, (*place, str(number)))
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = ".".join((*place, key.value)), key.start_mark.line + 1
            if key.value in lines:
                raise BadInput(
                    f"{path}: {name} is given twice, in lines {lines[key.value]} and {line}; the second would replace the first"
                )
            lines[key.value] = line
            _refuse_repeated(value, path, (*place, key.value))
