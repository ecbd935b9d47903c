"""Macro F1 and accuracy against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from carryover.metrics import accuracy, macro_f1


@pytest.mark.parametrize("labels", [[0, 1, 2], ["O", "B-PER", "I-PER", "B-LOC"]])
def test_both_are_scikit_learns(labels):
    rng = np.random.default_rng(0)
    target = rng.choice(labels, 500, p=np.r_[0.7, np.full(len(labels) - 1, 0.3 / (len(labels) - 1))])
    rows = pd.DataFrame({"target": target, "predicted": np.where(rng.random(500) < 0.5, target, rng.choice(labels, 500))})
    macro = reference.f1_score(target, rows["predicted"], average="macro")
    assert macro_f1.value(macro_f1.sums(rows).sum(axis=0)) == pytest.approx(macro)
    micro = reference.f1_score(target, rows["predicted"], average="micro")
    assert accuracy.value(accuracy.sums(rows).sum(axis=0)) == pytest.approx(micro)


def test_a_class_that_a_resample_lost_does_not_count():
    rows = pd.DataFrame({"target": [0, 0, 1, 2], "predicted": [0, 1, 1, 1]})
    of_three = macro_f1.sums(rows)[:3].sum(axis=0)
    theirs = reference.f1_score(rows["target"][:3], rows["predicted"][:3], average="macro")
    assert macro_f1.value(of_three) == pytest.approx(theirs)
    assert macro_f1.value(macro_f1.sums(rows).sum(axis=0)) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
