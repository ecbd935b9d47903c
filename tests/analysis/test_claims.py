"""Verdicts on claims: what supports one, what contradicts one, and what decides nothing."""

from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pandas as pd
import pytest

from carryover.analysis import claims
from carryover.analysis.claims import (
    CONTRADICTED,
    MOST,
    SOME,
    SUPPORTED,
    UNDECIDED,
    Decision,
    Estimate,
    Results,
    decide,
    difference_of,
    group_difference,
    mean_of,
    undecided,
)
from carryover.metrics.bootstrap import Settings
from carryover.runtime.errors import BadInput

SETTINGS = Settings(0.95, 2000, 0)


def value(at: float, reach: float = 0.01, name: str = "x", p: float | None = None) -> Estimate:
    return Estimate(name, at, at - reach, at + reach, 5010, p)


@pytest.mark.parametrize(
    ("at", "verdict"), [(0.05, SUPPORTED), (-0.05, CONTRADICTED), (0.005, UNDECIDED), (0.011, SUPPORTED), (-0.011, CONTRADICTED)]
)
def test_one_value_is_decided_by_its_interval_and_its_test(at, verdict):
    assert decide([value(at)], 0.95, low=0).verdict == verdict
    assert decide([value(-at)], 0.95, high=0).verdict == verdict
    assert decide([value(at, p=0.2)], 0.95, low=0).verdict == UNDECIDED  # the interval alone does not do


def test_every_value_is_needed_and_one_contradicts():
    good, bad, silent = value(0.05, name="es"), value(-0.05, name="bg"), value(0.001, name="hi")
    assert decide([good, good], 0.95, low=0).verdict == SUPPORTED
    against = decide([good, bad, silent], 0.95, low=0)
    assert against.verdict == CONTRADICTED
    assert against.why == "as claimed in 1 of 3 (es); the reverse in 1 of 3 (bg); not clear in 1 of 3 (hi)"
    assert against.numbers == "bg -5.0 points [-6.0 to -4.0] (95 % intervals)"
    assert decide([good, silent], 0.95, low=0).verdict == UNDECIDED


def test_some_and_most():
    up, down = value(0.05), value(-0.05)
    assert decide([up, down, down], 0.95, low=0, of=SOME).verdict == SUPPORTED
    assert decide([down, down], 0.95, low=0, of=SOME).verdict == CONTRADICTED
    assert decide([value(0.001), down], 0.95, low=0, of=SOME).verdict == UNDECIDED
    assert decide([up, up, down], 0.95, low=0, of=MOST).verdict == SUPPORTED
    assert decide([up, down], 0.95, low=0, of=MOST).verdict == CONTRADICTED


def test_between_two_bounds_is_shown_by_a_narrow_interval_and_never_by_a_wide_one():
    assert decide([value(0.0, 0.01)], 0.95, low=-0.05, high=0.05).verdict == SUPPORTED
    assert decide([value(0.0, 0.06)], 0.95, low=-0.05, high=0.05).verdict == UNDECIDED
    assert decide([value(0.1, 0.01)], 0.95, low=-0.05, high=0.05).verdict == CONTRADICTED


def test_tests_are_corrected_over_the_values_that_decide():
    """One of twenty at p = 0.02 is what chance gives."""
    family = [value(0.05, p=0.02), *[value(0.001, p=0.9)] * 19]
    assert decide(family[:1], 0.95, low=0, of=SOME).verdict == SUPPORTED
    assert decide(family, 0.95, low=0, of=SOME).verdict == UNDECIDED


def test_under_the_null_few_claims_of_many_values_are_contradicted():
    rng = np.random.default_rng(3)
    wrong = sum(
        decide([value(at, 1.96) for at in rng.standard_normal(10)], 0.95, low=0).verdict == CONTRADICTED for _ in range(1000)
    )
    assert wrong <= 40  # 2.5 % of one side, with three standard errors


def test_nothing_is_undecided_with_what_is_missing():
    assert decide([], 0.95, low=0, missing="no joint model") == Decision(UNDECIDED, "", None, "no joint model")
    assert decide([value(float("nan"))], 0.95, low=0).verdict == UNDECIDED


def test_parts_and_alternatives():
    yes, no, open_ = Decision(SUPPORTED, "a", 9, "b"), Decision(CONTRADICTED, "c", 5, "d"), undecided("e")
    assert claims.all_of([yes, yes]) == yes
    assert claims.all_of([yes, no, open_]) == no
    assert claims.all_of([yes, open_]) == open_
    assert claims.any_of([no, yes, open_]) == yes
    assert claims.any_of([no, no]) == no
    assert claims.any_of([no, open_]) == open_


def test_intervals_of_means_and_differences_are_never_too_narrow():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 20_000)
    for tie in (0.0, 0.5, 1.0):  # how much of the noise two values share
        one, other = (tie**0.5 * shared + (1 - tie) ** 0.5 * rng.normal(0, 1, 20_000) for _ in range(2))
        ends = value(0, 1.96), value(0, 1.96)
        for made, true in ((mean_of(ends, "mean"), (one + other) / 2), (difference_of(*ends), one - other)):
            assert ((made.low <= true) & (true <= made.high)).mean() > 0.945


def test_groups_of_languages_differ_by_rank():
    apart = group_difference("g", [0.4, 0.41, 0.42, 0.43], [0.3, 0.31, 0.32, 0.33], SETTINGS)
    assert (apart.n, apart.value) == (8, pytest.approx(0.1))
    assert apart.p == pytest.approx(2 / 70)
    assert decide([apart], 0.95, low=0).verdict == SUPPORTED
    assert decide([group_difference("g", [1, 2, 3], [4, 5, 6], SETTINGS)], 0.95, low=0).verdict == UNDECIDED  # p is 0.1


def table(**changes: object) -> pd.DataFrame:
    row = {"source": "s", "section": "1", "claim": "c", "chapter": "here", "models": "", "test": "yes", "reason": ""}
    return pd.DataFrame([row | changes])


def test_a_claim_needs_a_test_or_a_reason_and_not_both():
    assert len(claims.claims_of(table(), "here")) == 1
    assert claims.claims_of(table(), "elsewhere") == []
    for changes in ({"test": ""}, {"reason": "r"}):
        with pytest.raises(BadInput, match="'c' needs either a test or the reason"):
            claims.claims_of(table(**changes), "here")
    with pytest.raises(BadInput, match="no column reason"):
        claims.claims_of(table().drop(columns="reason"), "here")


def test_a_claim_is_decided_by_its_test_for_the_models_that_it_is_about():
    def yes(results: Results) -> Decision:
        return Decision(SUPPORTED, "1", 1, results.model)

    results = Results("qwen2.5-0.5b", {}, {}, "en", SETTINGS)
    (row,) = claims.verdicts(claims.claims_of(table(models="qwen bloom"), "here"), {"yes": yes}, results)
    assert (row["verdict"], row["why"], row["model"]) == (SUPPORTED, "qwen2.5-0.5b", "qwen2.5-0.5b")
    (row,) = claims.verdicts(claims.claims_of(table(models="gpt2"), "here"), {"yes": yes}, results)
    assert (row["verdict"], row["why"]) == (UNDECIDED, "a claim about gpt2, which qwen2.5-0.5b is not")
    (row,) = claims.verdicts(claims.claims_of(table(test="", reason="no run"), "here"), {"yes": yes}, results)
    assert (row["verdict"], row["why"]) == (UNDECIDED, "no run")
    with pytest.raises(BadInput, match="no is no test of chapter here"):
        claims.verdicts(claims.claims_of(table(test="no"), "here"), {"yes": yes}, results)


def test_tests_are_the_public_functions_that_return_a_decision(tmp_path):
    heading = "from __future__ import annotations\nfrom carryover.analysis.claims import Decision, Results, undecided\n"
    functions = [
        f"def {name}(results: Results) -> {given}: ...\n" for name, given in (("a", "Decision"), ("_b", "Decision"), ("c", "str"))
    ]
    (tmp_path / "made.py").write_text(heading + "".join(functions))
    spec = spec_from_file_location("made", tmp_path / "made.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(claims.deciding_tests(module)) == {"a"}
