"""The training loop: the handout's loss, a plain loop beside it, and runs that are killed and go on."""

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from carryover.answers import choice
from carryover.data.prompts import XNLIDataset
from carryover.models.gpt2 import GPT2Model
from carryover.runtime.errors import BadInput
from carryover.training import loop
from carryover.training.adamw import AdamW
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune
from carryover.training.loop import WINDOW, History, learning_rate, train

NONE = Checkpoints(None)


@pytest.fixture
def label_loss() -> Callable[[GPT2Model, XNLIDataset], loop.Loss]:
    """A factory of the loss that fine-tuning minimises."""

    def make(model: GPT2Model, data: XNLIDataset) -> loop.Loss:
        return lambda rows: choice.loss(model, data, rows)

    return make


def plain_loss(model: torch.nn.Module, data: XNLIDataset, rows: np.ndarray) -> Tensor:
    """The handout's loss, by transformers: a padded batch, all logits, shifted cross-entropy that ignores -100."""
    batch = data.collate_fn([data[row] for row in rows])
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=-100)


def nothing() -> dict:
    return {}


def weights(model: GPT2Model) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_label_loss_is_the_handouts(make_model, make_prompts, label_loss, twin):
    model, data = make_model(), make_prompts(12)
    theirs = twin(model)
    for rows in (np.array([3]), np.array([5, 0, 11, 2]), np.arange(len(data))):
        model.zero_grad()
        theirs.zero_grad()
        loss, expected = label_loss(model, data)(rows), plain_loss(theirs, data, rows)
        assert abs(loss.item() - expected.item()) < 1e-5
        loss.backward()
        expected.backward()
        pairs = [
            (model.token_embedding.weight, theirs.transformer.wte.weight.grad),
            (model.position_embedding.weight, theirs.transformer.wpe.weight.grad),
            (model.layers[0].attention.qkv.weight, theirs.transformer.h[0].attn.c_attn.weight.grad.T),
            (model.layers[1].attention.qkv.bias, theirs.transformer.h[1].attn.c_attn.bias.grad),
            (model.layers[1].feed_forward_out.weight, theirs.transformer.h[1].mlp.c_proj.weight.grad.T),
            (model.final_layer_norm.bias, theirs.transformer.ln_f.bias.grad),
        ]
        for parameter, gradient in pairs:
            assert gradient.abs().max() > 1e-4
            torch.testing.assert_close(parameter.grad, gradient, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({}, [1.0] * 20),
        ({"weight_decay": 0.5, "betas": (0.8, 0.95), "eps": 1e-4}, [1.0] * 20),
        ({"warmup": 0.25, "schedule": "linear", "clip": 0.3}, [0.2, 0.4, 0.6, 0.8, 1.0, *(1 - step / 15 for step in range(15))]),
    ],
    ids=["published", "other optimiser", "warm-up, decay and clipping"],
)
def test_twenty_steps_of_a_plain_loop(make_model, make_prompts, make_recipe, label_loss, twin, monkeypatch, changes, rates):
    monkeypatch.setattr(loop, "WINDOW", 1)  # a point of the curve for every update
    data, model = make_prompts(32, vocabulary=40), make_model()
    recipe = make_recipe(epochs=2, **changes)
    theirs, order, loss_of = twin(model), [], label_loss(model, data)
    history = train(model, 40, lambda rows: (order.append(rows), loss_of(rows))[1], nothing, recipe, 0, NONE)
    optimizer = AdamW(theirs.parameters(), betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay)
    for rows, rate, point in zip(order, rates, history.curve, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * recipe.lr
        optimizer.zero_grad()
        loss = plain_loss(theirs, data, rows)
        loss.backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), recipe.clip)
        optimizer.step()
        assert abs(point["loss"] - loss.item()) < 1e-5
        assert point["lr"] == pytest.approx(rate * recipe.lr)
    assert history.curve[0]["loss"] - history.curve[-1]["loss"] > 0.1  # weights that moved


@pytest.mark.parametrize("size", [1, 3, 4, 8, 100])
def test_accumulation_gives_the_losses_of_the_whole_batch(make_model, make_prompts, make_recipe, label_loss, monkeypatch, size):
    """Twenty updates on 156 rows: micro-batches that do not divide the batch, and a last batch that is smaller."""
    monkeypatch.setattr(loop, "WINDOW", 1)
    data, found = make_prompts(64, vocabulary=40), {}
    for micro in (None, size):
        model, seen = make_model(), []
        loss_of = label_loss(model, data)
        recipe = make_recipe(batch_size=8, micro_batch_size=micro, clip=0.3)
        history = train(
            model, 156, lambda rows, seen=seen, of=loss_of: (seen.append(rows), of(rows))[1], nothing, recipe, 0, NONE
        )
        found[micro] = (history, weights(model), seen)
    (whole, expected, batches), (parts, got, micro_batches) = found[None], found[size]
    assert max(map(len, micro_batches)) == min(size, 8) and len(whole.curve) == 20
    assert np.array_equal(np.concatenate(batches), np.concatenate(micro_batches))
    losses = [np.array([point["loss"] for point in history.curve]) for history in (whole, parts)]
    assert np.abs(losses[0] - losses[1]).max() < 1e-5
    assert losses[0][0] - losses[0][-1] > 0.1  # weights that moved
    assert max((got[name] - expected[name]).abs().max() for name in expected) < 2e-4
    assert same(got, expected) == (size >= 8)  # where it is the whole batch, in every bit


def test_micro_batches_draw_their_dropout_one_after_the_other(make_model, make_prompts, make_recipe, label_loss):
    data, ends = make_prompts(10), {}
    for micro in (2, 2, 4, None):
        model, states = make_model(dropout=0.3), []
        loss_of = label_loss(model, data)

        def watched(rows: np.ndarray, states=states, of=loss_of) -> Tensor:
            states.append(torch.get_rng_state().numpy().tobytes())
            return of(rows)

        train(model, 16, watched, nothing, make_recipe(micro_batch_size=micro), 0, NONE)
        assert len(set(states)) == len(states) == 16 // (micro or 4)  # no mask twice
        again, ends[micro] = ends.get(micro), weights(model)
        assert again is None or same(again, ends[micro])
    assert same(ends[4], ends[None]) and not same(ends[2], ends[None])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.0625, 0.33])
@pytest.mark.parametrize("total", [1, 7, 40])
def test_schedules(make_recipe, schedule, warmup, total):
    recipe = make_recipe(lr=2.0, warmup=warmup, schedule=schedule)
    rates = [learning_rate(recipe, update, total) for update in range(total)]
    rising = warmup * total
    assert max(rates) <= 2.0  # never above the peak, where the warm-up ends within an update too
    for update, rate in enumerate(rates):
        if update < rising:
            assert rate == pytest.approx(2.0 * min(1.0, (update + 1) / max(rising, 1.0)))
        else:
            done = (update - rising) / max(1.0, total - rising)
            shape = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]
            assert rate == pytest.approx(2.0 * shape)
    assert rates[-1] > 0  # no update is for nothing


def tuned(make_model, make_prompts, make_recipe, seed: int, checkpoints: Checkpoints = NONE) -> tuple[dict, History]:
    model, data = make_model(dropout=0.2), make_prompts(15)
    recipe = make_recipe(epochs=2, warmup=0.1, schedule="cosine", clip=1.0)
    history = finetune(model, choice, data, {"en": make_prompts(4, seed=9)}, recipe, seed, checkpoints)
    return weights(model), history


def test_same_seed_gives_the_same_bits(make_model, make_prompts, make_recipe):
    parts = (make_model, make_prompts, make_recipe)
    first, history = tuned(*parts, seed=0)
    second, again = tuned(*parts, seed=0)
    other, _ = tuned(*parts, seed=1)
    assert same(first, second) and history.curve == again.curve and history.epochs == again.epochs
    assert not same(first, other)


def test_seed_sets_dropout_too(make_model, make_prompts, make_recipe):
    """Two seeds differ where each update sees all rows, so that their order cannot be the reason."""
    data = make_prompts(2)
    losses = []
    for seed in (0, 0, 1):
        recipe = make_recipe(batch_size=len(data))
        losses.append(finetune(make_model(dropout=0.5), choice, data, {"en": data}, recipe, seed, NONE).train_loss)
    assert losses[0] == losses[1]
    assert abs(losses[0] - losses[2]) > 1e-3


def orders(model: GPT2Model, recipe: loop.Recipe, seed: int, rows: int = 22) -> list[list[int]]:
    """The rows of each update."""
    seen = []

    def loss_of(chosen: np.ndarray) -> Tensor:
        seen.append(chosen.tolist())
        return sum(parameter.square().sum() for parameter in model.parameters())

    train(model, rows, loss_of, nothing, recipe, seed, NONE)
    return seen


def test_order_depends_on_seed_and_epoch_alone(make_model, make_recipe):
    def flat(batches: list[list[int]]) -> list[int]:
        return [row for batch in batches for row in batch]

    first = flat(orders(make_model(), make_recipe(epochs=2, batch_size=4), 3))
    for model, recipe in (
        (make_model(5), make_recipe(epochs=2, batch_size=4)),
        (make_model(), make_recipe(epochs=2, batch_size=7, lr=1e-5, schedule="cosine")),
        (make_model(dropout=0.5), make_recipe(epochs=3, batch_size=22)),
    ):
        assert flat(orders(model, recipe, 3))[:44] == first
    assert flat(orders(make_model(), make_recipe(epochs=2), 4)) != first
    assert sorted(first[:22]) == sorted(first[22:]) == list(range(22))  # every row once an epoch
    assert first[:22] != first[22:] and first[:22] != list(range(22))


def test_last_batch_of_an_epoch_may_be_smaller(make_model, make_recipe, monkeypatch):
    monkeypatch.setattr(loop, "WINDOW", 2)
    batches = orders(make_model(), make_recipe(batch_size=4, epochs=2), 0, rows=10)
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    model, losses = make_model(), []

    def loss_of(rows: np.ndarray) -> Tensor:
        losses.append(model.token_embedding.weight.square().sum() * len(rows))
        return losses[-1]

    history = train(model, 10, loss_of, nothing, make_recipe(epochs=2), 0, NONE)
    points = [(point["step"], point["updates"], point["examples"], point["epoch"]) for point in history.curve]
    assert points == [(2, 2, 8, 2 / 3), (3, 1, 10, 1.0), (5, 2, 18, 5 / 3), (6, 1, 20, 2.0)]
    values = [float(loss.detach()) for loss in losses]
    means = [np.mean(values[:2]), values[2], np.mean(values[3:5]), values[5]]
    assert [point["loss"] for point in history.curve] == pytest.approx(means)
    assert history.train_loss == pytest.approx(np.mean(values))


def test_a_limit_on_updates_ends_training_within_an_epoch(make_model, make_recipe):
    recipe = make_recipe(batch_size=4, epochs=3, max_updates=8)
    assert orders(make_model(), recipe, 0) == orders(make_model(), make_recipe(batch_size=4, epochs=3), 0)[:8]
    history = train(make_model(), 22, lambda rows: torch.ones(1, requires_grad=True).sum(), nothing, recipe, 0, NONE)
    assert [entry["epoch"] for entry in history.epochs] == [1, 2]  # the last one, although it is cut, is evaluated
    assert (history.curve[-1]["step"], history.curve[-1]["examples"], history.best_epoch) == (8, 30, 2)


@pytest.mark.parametrize(
    ("criteria", "best"),
    [([0.2, 0.5, 0.3], 2), ([0.5, 0.5, 0.4], 1), ([0.1, 0.2, 0.3], 3), ([None] * 3, 3), ([0.0, -1.0, 0.0], 1)],
)
def test_best_epoch_is_kept(make_model, make_recipe, criteria, best):
    model, after = make_model(), []

    def at_epoch_end() -> dict:
        after.append(weights(model.eval()))
        criterion = criteria[len(after) - 1]
        return {} if criterion is None else {"criterion": criterion}

    def loss_of(rows: np.ndarray) -> Tensor:
        assert model.training  # again, after an evaluation
        return model.final_layer_norm.weight.square().sum()

    history = train(model, 8, loss_of, at_epoch_end, make_recipe(epochs=3, lr=0.01), 0, NONE)
    assert history.best_epoch == best
    assert [same(weights(model), state) for state in after] == [epoch == best for epoch in (1, 2, 3)]


def test_criterion_is_the_mean_over_languages(make_model, make_prompts, make_recipe, twin):
    model, dev = make_model(dropout=0.3), {"en": make_prompts(3, seed=1), "th": make_prompts(40, seed=2)}
    history = finetune(model, choice, make_prompts(4), dev, make_recipe(lr=0.01), 0, NONE)
    expected, theirs = {}, twin(model)
    with torch.no_grad():
        for language, data in dev.items():
            prompts = [torch.from_numpy(data.sequence(row).astype(np.int64))[None] for row in range(len(data))]
            logits = np.array([theirs(prompt).logits[0, -1, data.candidates].numpy() for prompt in prompts])
            expected[language] = (logits.argmax(1) == data.targets).mean()
    assert history.epochs[0]["dev"] == pytest.approx(expected)
    assert history.epochs[0]["criterion"] == pytest.approx((expected["en"] + expected["th"]) / 2)
    assert expected["en"] != expected["th"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("first", [1, 7, WINDOW, WINDOW + 1, 2 * WINDOW - 1])
def test_loss_that_is_no_number_stops_the_run(make_model, make_recipe, bad, first):
    model, calls = make_model(), []

    def loss_of(rows: np.ndarray) -> Tensor:
        calls.append(rows)
        return model.final_layer_norm.weight.sum() * (bad if len(calls) == first else 1.0)

    with pytest.raises(BadInput, match=rf"update {first} \(learning rate 0\.002, batch \d+") as caught:
        train(model, 1000, loss_of, nothing, make_recipe(lr=2e-3), 0, NONE)
    assert first <= len(calls) < first + WINDOW
    assert first <= int(re.search(r"batch (\d+)", str(caught.value))[1]) < first + WINDOW


@pytest.mark.parametrize("case", ["learning rate", "weights"])
def test_diverged_model_stops_fine_tuning(make_model, make_prompts, make_recipe, case):
    model, data = make_model(), make_prompts(100)
    if case == "weights":
        model.final_layer_norm.bias.data[0] = float("nan")
    recipe = make_recipe(lr=1e6, batch_size=2) if case == "learning rate" else make_recipe()
    with pytest.raises(BadInput, match="update 1 " if case == "weights" else r"update \d+ \(learning rate 1e\+06"):
        finetune(model, choice, data, {"en": data}, recipe, 0, NONE)


class Killed(Exception):
    """Stands for a signal."""


class Every(Checkpoints):
    """Checkpoints every so many updates, whatever the clock says."""

    def __init__(self, directory: Path, updates: int) -> None:
        super().__init__(directory, 0.0)
        self.updates, self.asked = updates, 0

    def due(self) -> bool:
        self.asked += 1
        return self.asked % self.updates == 0


@pytest.mark.parametrize(
    ("every", "seed", "micro"), [(1, 0, None), (1, 1, 3), (1, 2, None), (4, 0, None), (4, 1, None), (4, 2, 3)]
)
def test_killed_run_ends_in_the_same_bits(
    make_model, make_prompts, make_recipe, label_loss, tmp_path, monkeypatch, seed, every, micro
):
    """Killed again and again, in the middle of an update, between its micro-batches, or of an epoch's evaluation, and started
    again each time."""
    monkeypatch.setattr(loop, "WINDOW", 5)  # checkpoints cut windows of the curve in two
    data, draw = make_prompts(30, vocabulary=40), random.Random(seed)
    recipe = make_recipe(lr=5e-3, epochs=3, warmup=0.1, schedule="linear", clip=1.0, micro_batch_size=micro)
    first = weights(make_model())

    def run(checkpoints: Checkpoints, kill_at: int) -> tuple[dict, History]:
        """Dies in its `kill_at`-th call of either function; 0: lives. The first epoch is the best: it outlives later kills."""
        model, calls = make_model(dropout=0.3), []
        plain = label_loss(model, data)
        torch.manual_seed(draw.randrange(1000))  # another process has drawn something else

        def alive() -> None:
            calls.append(None)
            if len(calls) == kill_at:
                raise Killed

        def loss_of(rows: np.ndarray) -> Tensor:
            loss = plain(rows)
            alive()
            return loss

        def at_epoch_end() -> dict:
            alive()
            far = sum(float((tensor - first[name]).square().sum()) for name, tensor in model.state_dict().items())
            return {"criterion": -far, "dev": {"en": far}}

        history = train(model, 42, loss_of, at_epoch_end, recipe, 0, checkpoints)
        return weights(model), history

    expected, whole = run(NONE, 0)
    kills, ended = 0, None
    while ended is None:
        try:
            ended = run(Every(tmp_path / "run", every), draw.randrange(1, 14) if kills < 12 else 0)
        except Killed:
            kills += 1
    assert kills > 3
    assert same(ended[0], expected)
    assert ended[1].curve == whole.curve and ended[1].epochs == whole.epochs
    assert ended[1].best_epoch == whole.best_epoch == 1 and len(whole.curve) == 9


def test_run_that_was_cut_off_does_only_what_is_left(make_model, make_recipe, tmp_path):
    calls = []

    def loss_of(rows: np.ndarray) -> Tensor:
        calls.append(rows)
        if len(calls) == 8:
            raise Killed
        return model.final_layer_norm.weight.sum()

    for _ in range(2):
        model = make_model()
        try:
            train(model, 40, loss_of, nothing, make_recipe(), 0, Every(tmp_path, 3))
        except Killed:
            continue
    assert len(calls) == 8 + 4  # ten updates, of which six were saved


def test_bf16_trains(make_model, make_prompts, make_recipe):
    data = make_prompts(10)
    losses = {}
    for precision in ("fp32", "bf16"):
        model = make_model()
        losses[precision] = finetune(model, choice, data, {"en": data}, make_recipe(precision=precision), 0, NONE).train_loss
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}  # the master weights
    assert 0 < abs(losses["bf16"] - losses["fp32"]) < 0.05
