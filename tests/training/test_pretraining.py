"""Toy pretraining: lines as examples, the loss over real tokens, and the published quantity beside it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from carryover.data import tokenizer
from carryover.runtime.errors import BadInput
from carryover.training import loop
from carryover.training.checkpoints import Checkpoints
from carryover.training.pretraining import TextDataset, next_token_loss, pretrain, published_losses, validation_loss

END = 96
NONE = Checkpoints(None)


def text(lines: int, length: int = 14, seed: int = 0, vocabulary: int = 90) -> TextDataset:
    """Lines of every length up to `length`; one of that length has no end-of-text token, as in a real text."""
    rng = np.random.default_rng(seed)
    drawn = [np.append(rng.integers(0, vocabulary, rng.integers(1, length + 3)), END)[:length] for _ in range(lines)]
    return TextDataset(drawn, length, END)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    path = tmp_path_factory.mktemp("bpe") / "text.txt"
    path.write_text("the kettle sings and the kitchen listens\nthe cat listens to the kettle\n" * 5, encoding="utf-8")
    return tokenizer.train_bpe(path, 300)


def test_lines_of_a_file_are_cut_and_ended(tmp_path, bpe):
    lines = ["the cat", "the kettle sings and the kitchen listens to the cat", "  sings  ", "", "ö"]
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    end = tokenizer.end_of_text(bpe)
    longest = len(bpe.encode(lines[1]).ids)
    for length in (3, longest, longest + 1, longest + 5):
        data = TextDataset.from_file(path, bpe, length)
        assert (len(data), data.end) == (4, end)
        for row, line in enumerate(["the cat", lines[1], "sings", "ö"]):
            ids = bpe.encode(line).ids
            assert data.lines[row].tolist() == (ids[:length] if len(ids) >= length else [*ids, end])


def test_examples_are_padded_with_end_of_text_behind_a_mask():
    data = TextDataset([np.array([4, 7, END]), np.array([1, 2, 3, 4, 5])], 5, END)
    assert data[0]["input_ids"].tolist() == [4, 7, END, END, END]
    assert data[0]["attention_mask"].tolist() == [1, 1, 1, 0, 0]
    assert data[1]["attention_mask"].tolist() == [1] * 5


@pytest.mark.parametrize(("lines", "share", "held"), [(50, 0.1, 5), (50, 0.001, 1), (2, 0.1, 1), (7, 0.5, 4)])
def test_split_is_disjoint_and_complete(lines, share, held):
    data = TextDataset([np.array([row, END]) for row in range(lines)], 5, END)
    training_part, held_out = data.split(share, seed=3)
    ours, theirs = ({int(line[0]) for line in part.lines} for part in (training_part, held_out))
    assert (len(held_out), len(training_part)) == (held, lines - held)
    assert not ours & theirs and ours | theirs == set(range(lines))
    assert {int(line[0]) for line in data.split(share, seed=3)[1].lines} == theirs
    assert (training_part.length, training_part.end) == (5, END)


def test_split_follows_the_seed():
    data = TextDataset([np.array([row, END]) for row in range(200)], 5, END)
    assert len({tuple(int(line[0]) for line in data.split(0.1, seed)[1].lines) for seed in range(4)}) == 4


@pytest.mark.parametrize("lines", [0, 1])
def test_text_too_short_to_split(lines):
    with pytest.raises(BadInput, match="two lines"):
        TextDataset([np.array([1, END])] * lines, 5, END).split(0.1, 0)


def loss_by_line(theirs: torch.nn.Module, lines: list[np.ndarray]) -> torch.Tensor:
    """One line at a time through transformers: the mean over all tokens of all lines."""
    losses = []
    for line in lines:
        ids = torch.from_numpy(line)[None]
        losses.append(F.cross_entropy(theirs(ids).logits[0, :-1], ids[0, 1:], reduction="none"))
    return torch.cat(losses).mean()


def test_loss_is_the_mean_over_real_tokens(make_model, twin):
    model, lines = make_model(), text(9).lines
    theirs = twin(model)
    loss, expected = next_token_loss(model, lines), loss_by_line(theirs, lines)
    assert abs(loss.item() - expected.item()) < 1e-5
    loss.backward()
    expected.backward()
    pairs = [
        (model.token_embedding.weight.grad, theirs.transformer.wte.weight.grad),
        (model.position_embedding.weight.grad, theirs.transformer.wpe.weight.grad),
        (model.layers[0].attention.qkv.weight.grad, theirs.transformer.h[0].attn.c_attn.weight.grad.T),
    ]
    for ours, other in pairs:
        torch.testing.assert_close(ours, other, atol=2e-5, rtol=1e-4)


def test_line_of_one_token_has_nothing_to_predict(make_model):
    model, lines = make_model(), list(text(5).lines)
    expected = next_token_loss(model, lines)
    torch.testing.assert_close(next_token_loss(model, [np.array([3]), *lines, np.array([4])]), expected, atol=1e-6, rtol=0)
    assert torch.isfinite(next_token_loss(model, [np.array([3])]))


def test_published_quantity_counts_padding_as_foretold():
    """By hand: 3 + 1 of 2 x 4 positions are real; the running mean weights each point by its updates."""
    data = TextDataset([np.array([1, 2, 3, 4]), np.array([5, END])], 5, END)
    curve = [{"loss": 8.0, "updates": 3}, {"loss": 4.0, "updates": 1}]
    assert published_losses(curve, data) == pytest.approx([8.0 / 2, 7.0 / 2])


def test_published_quantity_without_padding_is_the_mean_loss():
    data = TextDataset([np.arange(6), np.arange(6)], 6, END)
    assert published_losses([{"loss": 5.0, "updates": 2}, {"loss": 3.0, "updates": 2}], data) == pytest.approx([5.0, 4.0])


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_validation_loss_does_not_depend_on_the_batch_size(make_model, twin, batch_size):
    data = text(19)
    model = make_model(dropout=0.5).train()  # dropout must be off while it is measured
    loss = validation_loss(model, data, batch_size)
    with torch.no_grad():
        assert loss == pytest.approx(float(loss_by_line(twin(model), data.lines)), abs=1e-5)


def pattern(lines: int, seed: int) -> TextDataset:
    """A text with something to learn: each token follows from the one before it."""
    starts = np.random.default_rng(seed).integers(0, 20, lines)
    return TextDataset([np.append((start + 3 * np.arange(9)) % 20, END) for start in starts], 12, END)


def test_toy_run_learns(make_model, make_recipe):
    model, held_out = make_model(std=0.02), pattern(10, 1)
    before = validation_loss(model, held_out)
    history, facts = pretrain(model, pattern(40, 0), held_out, make_recipe(lr=1e-2, epochs=6), 0, NONE)
    assert before == pytest.approx(math.log(97), abs=0.1)  # knows nothing yet
    assert facts["validation_loss"] < 0.7 < 2 < before  # less than the first token, which nothing foretells, can cost
    assert (
        [epoch["validation_loss"] for epoch in history.epochs][-1] == facts["validation_loss"] == validation_loss(model, held_out)
    )
    assert facts["validation_perplexity"] == pytest.approx(math.exp(facts["validation_loss"]))
    assert facts["train_loss"] == history.train_loss
    assert history.curve[-1]["loss"] < history.curve[0]["loss"]
    assert len(history.epochs) == history.best_epoch == 6  # the last weights, and no choice among epochs


def test_curve_ends_in_the_published_quantity(make_model, make_recipe, monkeypatch):
    monkeypatch.setattr(loop, "WINDOW", 3)
    data = text(20)
    history, facts = pretrain(make_model(), data, text(3, seed=1), make_recipe(epochs=2), 0, NONE)
    real = np.mean([(len(line) - 1) / (data.length - 1) for line in data.lines])
    assert facts["published_loss"] == history.curve[-1]["published_loss"] == pytest.approx(history.train_loss * real)


class Cut(Checkpoints):
    """Saves after three updates and after seven, and dies after the eighth."""

    asked = 0

    def due(self) -> bool:
        self.asked += 1
        if self.asked == 8:
            raise KeyboardInterrupt
        return self.asked in (3, 7)


def test_killed_run_ends_in_the_same_bits(make_model, make_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "WINDOW", 4)
    data, held_out, recipe = text(30), text(5, seed=1), make_recipe(epochs=2)
    whole, runs = make_model(dropout=0.3), []
    runs.append(pretrain(whole, data, held_out, recipe, 0, NONE))
    with pytest.raises(KeyboardInterrupt):
        pretrain(make_model(dropout=0.3), data, held_out, recipe, 0, Cut(tmp_path))
    resumed = make_model(dropout=0.3)
    torch.manual_seed(99)
    runs.append(pretrain(resumed, data, held_out, recipe, 0, Checkpoints(tmp_path)))
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert runs[0][0].curve == runs[1][0].curve and runs[0][1] == runs[1][1]


@pytest.mark.real_data
def test_published_text(mirror):
    """5,778 lines and 363,562 tokens, as counted elsewhere: no line is lost or split, and each is cut at 128 tokens."""
    bpe = tokenizer.from_files(mirror / "gpt2-tokenizer/vocab.json", mirror / "gpt2-tokenizer/merges.txt")
    whole = TextDataset.from_file(mirror / "text/pretrain.txt", bpe, 10**5)
    assert len(whole) == 5778
    assert sum(len(line) - 1 for line in whole.lines) == 363_562
    cut = TextDataset.from_file(mirror / "text/pretrain.txt", bpe, 128)
    assert max(map(len, cut.lines)) == 128
    assert all(np.array_equal(short, line[:128]) for short, line in zip(cut.lines, whole.lines, strict=True))
