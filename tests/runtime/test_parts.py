"""The parts of a job: the modules that its rule names, and one line for what is not there."""

import pytest

from carryover.runtime import parts
from carryover.runtime.errors import BadInput


def test_the_modules_come_under_what_they_were_named_for():
    loaded = parts.load({"planning": "workload", "chapters": "transfer.headline", "reporting": ["phrases", "formatting"]})
    assert {label: module.__name__ for label, module in loaded.items()} == {
        "planning": "carryover.planning.workload",
        "chapters": "chapters.transfer.headline",
        "reporting.phrases": "carryover.reporting.phrases",
        "reporting.formatting": "carryover.reporting.formatting",
    }


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ({"models": "gtp2"}, r"no part 'gtp2' in workflow/carryover/models; did you mean 'gpt2'\?"),
        ({"models": ["gpt2", "nothing_like_it"]}, r"no part 'nothing_like_it' in .*models; there are .*gpt2, .*"),
        ({"chapters": "transfer.tabels"}, r"no part 'transfer.tabels' in workflow/chapters; did you mean 'transfer.tables'\?"),
        ({"modles": "gpt2"}, r"no part 'gpt2': there is no folder workflow/carryover/modles"),
        ({"models": "../models/gpt2"}, r"no part '\.\./models/gpt2' in .*"),
        ({"models": ""}, r"no part '' in .*"),
    ],
)
def test_a_part_that_is_not_there_is_named_in_one_line(named, line):
    with pytest.raises(BadInput, match=f"^{line}$"):
        parts.load(named)
