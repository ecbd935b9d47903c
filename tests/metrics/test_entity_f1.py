"""Entity F1 against seqeval in its strict mode, on tags that a model without rules would give."""

import numpy as np
import pandas as pd
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from carryover.metrics import entity_f1
from carryover.runtime.errors import BadInput

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def flat(tags: list[list[str]]) -> list[str]:
    return [tag for sentence in tags for tag in sentence]


def words(target: list[list[str]], predicted: list[list[str]]) -> pd.DataFrame:
    sentence = np.repeat(np.arange(len(target)), [len(tags) for tags in target])
    return pd.DataFrame({"id": sentence, "cluster": sentence, "target": flat(target), "predicted": flat(predicted)})


@pytest.mark.parametrize("seed", range(5))
def test_random_tags_score_as_in_seqeval(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, 200)
    target = [rng.choice(TAGS, length).tolist() for length in lengths]
    predicted = [[tag if rng.random() < 0.7 else str(rng.choice(TAGS)) for tag in tags] for tags in target]
    right, guessed, gold = entity_f1.sums(words(target, predicted)).sum(axis=0)
    assert right / guessed == pytest.approx(precision_score(target, predicted, mode="strict", scheme=IOB2))
    assert right / gold == pytest.approx(recall_score(target, predicted, mode="strict", scheme=IOB2))
    found = entity_f1.value(np.array([right, guessed, gold]))
    assert found == pytest.approx(f1_score(target, predicted, mode="strict", scheme=IOB2))
    assert found != pytest.approx(f1_score(target, predicted, scheme=IOB2))  # which the scheme alone leaves forgiving


def test_spans_end_with_their_sentence_and_strays_are_no_entities():
    target = [["O", "B-PER"], ["I-PER", "O"], ["B-PER", "I-LOC"], ["B-LOC", "B-LOC"]]
    rows = words(target, target)
    assert entity_f1.sums(rows)[:, 2].tolist() == [0, 1, 0, 0, 1, 0, 1, 1]
    assert entity_f1.value(entity_f1.sums(rows).sum(axis=0)) == 1
    longer = words([["B-PER", "O"]], [["B-PER", "I-PER"]])
    assert entity_f1.value(entity_f1.sums(longer).sum(axis=0)) == 0
    assert np.isnan(entity_f1.value(entity_f1.sums(words([["O"]], [["O"]])).sum(axis=0)))


def test_sentences_of_two_seeds_do_not_flow_together():
    """One sentence, its rows of two seeds one below the other: told apart by their cluster."""
    rows = words([["B-PER"]], [["B-PER"]])
    second = words([["I-PER"]], [["I-PER"]]).assign(cluster=1)
    counted = entity_f1.sums(pd.concat([rows, second], ignore_index=True))
    assert counted.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert entity_f1.sums(pd.concat([rows, second.assign(cluster=0)], ignore_index=True))[0].tolist() == [1, 1, 1]


def test_what_is_no_tag_is_named():
    with pytest.raises(BadInput, match="'PER' is no IOB2 tag"):
        entity_f1.sums(words([["O"]], [["PER"]]))
