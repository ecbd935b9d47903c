"""The order in which training takes its rows: of seed and epoch alone, at random or by length."""

import numpy as np
import pytest
import torch

from carryover.answers import choice
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune
from carryover.training.loop import epoch_order

NONE = Checkpoints(None)


@pytest.mark.parametrize("rows", [1, 3, 4, 203, 1600])
@pytest.mark.parametrize("batches", ["shuffled", "by_length"])
def test_an_epoch_takes_every_row_once_in_an_order_of_seed_and_epoch(make_recipe, rows, batches):
    lengths, recipe = np.random.default_rng(0).integers(5, 90, rows), make_recipe(batches=batches)
    order = epoch_order(rows, 3, 1, recipe, lengths)
    assert sorted(order) == list(range(rows))
    assert np.array_equal(order, epoch_order(rows, 3, 1, recipe, lengths))
    if rows > 4:
        assert not np.array_equal(order, epoch_order(rows, 3, 2, recipe, lengths))
        assert not np.array_equal(order, epoch_order(rows, 4, 1, recipe, lengths))


def test_batches_by_length_hold_rows_of_like_length_in_a_random_order(make_recipe):
    lengths = np.random.default_rng(0).integers(5, 90, 1602)
    cuts = np.arange(4, 1602, 4)
    batches = {
        kind: [lengths[batch] for batch in np.split(epoch_order(1602, 0, 0, make_recipe(batches=kind), lengths), cuts)]
        for kind in ("shuffled", "by_length")
    }
    spread = {kind: np.mean([np.ptp(batch) for batch in theirs]) for kind, theirs in batches.items()}
    assert spread["by_length"] < 0.1 * spread["shuffled"]
    assert len(batches["by_length"][-1]) == 2  # the batch that is not full stays the last
    first, second = (np.mean([batch.mean() for batch in half]) for half in np.split(np.array(batches["by_length"][:400]), 2))
    assert abs(first - second) < 10  # neither short nor long ones come first


def test_a_run_with_batches_by_length_ends_in_the_same_bits_twice(make_model, make_prompts, make_recipe):
    data, recipe = make_prompts(30), make_recipe(batches="by_length", epochs=2)
    models = [make_model(), make_model()]
    for model in models:
        finetune(model, choice, data, {"en": data}, recipe, 5, NONE)
    assert all(torch.equal(one, other) for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True))
    shuffled = make_model()
    finetune(shuffled, choice, data, {"en": data}, make_recipe(epochs=2), 5, NONE)
    assert not torch.equal(shuffled.token_embedding.weight, models[0].token_embedding.weight)
