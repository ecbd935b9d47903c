"""chrF against sacrebleu, in several scripts."""

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics import CHRF

from carryover.metrics import chrf

SENTENCES = [
    "The weather is fine today, is it not?",
    "  Two  spaces and\ta tab ",
    "มันเป็นวันที่ดี",
    "天气很好，我们去公园。",
    "यह एक अच्छा दिन है।",
    "No",
    "",
    "ok ok ok ok ok ok",
]


def noisy(text: str, rng: np.random.Generator) -> str:
    return "".join(character for character in text if rng.random() < 0.8)


@pytest.mark.parametrize("seed", range(5))
def test_a_corpus_scores_as_in_sacrebleu(seed):
    rng = np.random.default_rng(seed)
    target = [SENTENCES[place] for place in rng.integers(0, len(SENTENCES), 40)]
    predicted = [noisy(text if rng.random() < 0.7 else SENTENCES[0], rng) for text in target]
    counted = chrf.sums(pd.DataFrame({"target": target, "predicted": predicted}))
    assert chrf.value(counted.sum(axis=0)) == pytest.approx(CHRF().corpus_score(predicted, [target]).score)
    each = [CHRF().sentence_score(ours, [theirs]).score for ours, theirs in zip(predicted, target, strict=True)]
    assert chrf.value(counted) == pytest.approx(each)


def test_identical_thai_is_perfect_and_the_signature_is_the_stated_one():
    rows = pd.DataFrame({"target": [SENTENCES[2]], "predicted": [SENTENCES[2]]})
    assert chrf.value(chrf.sums(rows)).tolist() == [100]
    metric = CHRF()
    metric.corpus_score(["a"], [["a"]])
    assert str(metric.get_signature()).split("|version")[0] in chrf.__doc__
