"""Tags of words: the head against the plain algorithm, and a tagger that learns and comes back from disk."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from carryover.answers import tags
from carryover.data.tagged import CUT, TaggedDataset
from carryover.metrics import entity_f1
from carryover.models import batching
from carryover.runtime.errors import BadInput
from carryover.training.checkpoints import Checkpoints
from carryover.training.finetuning import finetune

NAMES = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


@pytest.fixture(scope="module")
def make_sentences():
    """A factory of tagged sentences, some of whose last words are cut off; the tag of a word is a function of its last token."""

    def make(count: int, seed: int = 0, vocabulary: int = 90) -> TaggedDataset:
        rng = np.random.default_rng(seed)
        ids, ends, words, targets = [], [], [], []
        for _ in range(count):
            pieces = rng.integers(1, 4, rng.integers(1, 7))
            sequence = rng.integers(0, vocabulary, pieces.sum())
            last = np.cumsum(pieces) - 1
            targets.append(sequence[last] % len(NAMES))
            if len(pieces) > 2 and rng.random() < 0.4:
                sequence = sequence[: last[-1]]
                last[-1] = CUT
            ids.append(sequence.astype(np.int32))
            ends.append(last)
            words.append(len(pieces))
        return TaggedDataset(
            ids=np.concatenate(ids),
            offsets=np.cumsum([0, *map(len, ids)]),
            row_ids=np.arange(count) + 100,
            clusters=np.arange(count) // 2,
            word_offsets=np.cumsum([0, *words]),
            word_ends=np.concatenate(ends),
            targets=np.concatenate(targets),
            tags=NAMES,
        )

    return make


def plain(tagger: tags.Tagger, data: TaggedDataset, twin) -> list[np.ndarray]:
    """For each sentence the scores [words that are there, K], by transformers' model alone with its row."""
    theirs, scores = twin(tagger.model), []
    for row in range(len(data)):
        ends = data.word_ends[data.word_offsets[row] : data.word_offsets[row + 1]]
        ids = torch.from_numpy(data.sequence(row).astype(np.int64))[None]
        hidden = theirs.transformer(ids).last_hidden_state[0]
        scores.append(tagger.head(hidden)[ends[ends != CUT]].detach())
    return scores


def with_head(model: torch.nn.Module, data: TaggedDataset) -> tags.Tagger:
    """A tagger whose head is far from its beginning."""
    tagger = tags.prepare(model, data, 0)
    tagger.head.weight.data.mul_(40)
    tagger.head.bias.data.copy_(torch.linspace(-1, 1, len(NAMES)))
    return tagger


@pytest.mark.parametrize("grid", [1, 40, 10**6])
def test_tags_are_the_plain_algorithms_whatever_the_batches(make_model, make_sentences, twin, monkeypatch, grid):
    data = make_sentences(40)
    tagger = with_head(make_model(), data)
    monkeypatch.setattr(batching, "GRID", grid)
    predicted = tags.score(tagger, data, "fp32").predicted
    expected = [NAMES[best] for scores in plain(tagger, data, twin) for best in scores.argmax(dim=1)]
    there = data.word_ends != CUT
    assert predicted[there].tolist() == expected and len(set(expected)) > 2
    assert set(predicted[~there]) == {"O"} and (~there).sum() > 3


def test_loss_is_the_mean_over_rows_of_what_their_words_add(make_model, make_sentences, twin):
    data = make_sentences(12)
    tagger = with_head(make_model(), data)
    kept = [data.targets[data.word_offsets[row] : data.word_offsets[row + 1]] for row in range(12)]
    ends = [data.word_ends[data.word_offsets[row] : data.word_offsets[row + 1]] for row in range(12)]
    surprise = [
        F.cross_entropy(scores, torch.from_numpy(targets[end != CUT]), reduction="sum").item()
        for scores, targets, end in zip(plain(tagger, data, twin), kept, ends, strict=True)
    ]
    words = sum((end != CUT).sum() for end in ends)
    assert tags.loss(tagger, data, np.arange(12)).item() == pytest.approx(
        sum(surprise) / words, abs=1e-5
    )  # of all: a word's mean
    rows = np.array([7, 2, 9])
    whole = tags.loss(tagger, data, rows)
    assert whole.item() == pytest.approx(sum(surprise[row] for row in rows) / 3 / (words / 12), abs=1e-5)
    shares = [tags.loss(tagger, data, part) * len(part) / 3 for part in (rows[:1], rows[1:])]
    assert sum(shares).item() == pytest.approx(whole.item(), abs=1e-6)  # what several processes compute
    whole.backward()
    assert tagger.head.weight.grad.abs().max() > 1e-4
    assert tagger.model.layers[0].attention.qkv.weight.grad.abs().max() > 1e-5


def test_a_tagger_learns_and_comes_back_from_disk(make_model, make_sentences, make_recipe, tmp_path):
    data, dev = make_sentences(300), {"en": make_sentences(40, seed=1), "de": make_sentences(40, seed=2)}
    model = make_model(n_layer=1)
    tagger = tags.prepare(model, data, 0)
    before = {language: tags.criterion(dataset, tags.score(tagger, dataset, "fp32")) for language, dataset in dev.items()}
    recipe = make_recipe(lr=1e-2, epochs=4, batch_size=8)
    history = finetune(tagger, tags, data, dev, recipe, 0, Checkpoints(None))
    after = history.epochs[history.best_epoch - 1]
    assert after["criterion"] == pytest.approx(np.mean(list(after["dev"].values())))
    assert min(after["dev"].values()) > 0.5 > max(before.values()) + 0.1
    model.save_pretrained(tmp_path)
    tags.save(tagger, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["config.json", "model.safetensors", *tags.FILES])
    back = tags.restore(type(model).from_pretrained(tmp_path), tmp_path)
    assert back.tags == NAMES
    assert np.array_equal(tags.score(back, dev["en"], "fp32").predicted, tags.score(tagger, dev["en"], "fp32").predicted)


def test_a_new_head_depends_on_its_seed_alone(make_model, make_sentences):
    data, heads = make_sentences(3), []
    for seed in (0, 0, 1):
        torch.manual_seed(len(heads))
        heads.append(tags.prepare(make_model(), data, seed).head.weight)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_a_frozen_model_trains_its_head_alone(make_model, make_sentences, make_recipe):
    data, model = make_sentences(20), make_model()
    model.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tagger = tags.prepare(model, data, 0)
    head = tagger.head.weight.detach().clone()
    finetune(tagger, tags, data, {"en": data}, make_recipe(weight_decay=0.1), 0, Checkpoints(None))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not torch.equal(tagger.head.weight, head)


def test_a_model_without_its_head_is_refused(make_model, tmp_path):
    with pytest.raises(BadInput, match=r"no tagging_head\.safetensors; a model tags words only once it was trained"):
        tags.restore(make_model(), tmp_path)
    (tmp_path / tags.FILES[0]).write_bytes(b"cut off")
    with pytest.raises(BadInput, match=r"tagging_head\.safetensors: damaged or cut off"):
        tags.restore(make_model(), tmp_path)


def test_columns_of_predictions_have_a_row_for_every_word(make_sentences):
    data = make_sentences(9)
    scores = tags.Scores(np.array([NAMES[k % 5] for k in range(len(data.targets))], dtype=object))
    table = pd.DataFrame(tags.predictions(data, scores))
    assert list(table) == ["id", "cluster", "word", "target", "predicted"]
    assert table.groupby("id").size().tolist() == np.diff(data.word_offsets).tolist()
    assert (table.groupby("id")["word"].max() + 1).tolist() == np.diff(data.word_offsets).tolist()
    assert table["target"].tolist() == [NAMES[target] for target in data.targets]
    assert table["predicted"].tolist() == scores.predicted.tolist()
    assert table.loc[table["id"] == 103, "cluster"].unique().tolist() == [1]


def test_criterion_is_entity_f1_of_iob2_and_accuracy_of_others(make_sentences):
    data = make_sentences(30)
    right = tags.Scores(np.array(NAMES, dtype=object)[data.targets])
    outside = tags.Scores(np.full(len(data.targets), "O", dtype=object))
    assert (tags.criterion(data, right), tags.criterion(data, outside)) == (1.0, 0.0)
    nothing = dataclasses.replace(data, targets=np.full(len(data.targets), NAMES.index("O")))
    assert tags.criterion(nothing, outside) == 0.0  # no span at all
    rows = pd.DataFrame(tags.predictions(data, right))
    assert entity_f1.sums(rows).sum(axis=0).tolist()[2] == sum(NAMES[target].startswith("B") for target in data.targets)
    plain = dataclasses.replace(data, tags=("NOUN", "VERB", "ADJ", "ADP", "O"))
    half = np.array(plain.tags, dtype=object)[data.targets]
    half[::2] = "none"
    assert tags.criterion(plain, tags.Scores(half)) == pytest.approx(1 - np.ceil(len(half) / 2) / len(half))
