"""Batches without padding: every sequence gets the hidden states that it has alone."""

import numpy as np
import pytest
import torch

from carryover.models.packing import Layout, common_prefix, pack, pack_trees

GROUPS = {
    "one alone": [["abcde"]],
    "one token": [["a"]],
    "three of a premise": [["abcdxy", "abcdz", "abcduvw"]],
    "nothing in common": [["abc", "xyz", "mn"]],
    "the same twice": [["abcd", "abcd"]],
    "one the beginning of another": [["abcd", "abcdef", "ab"]],
    "one token and more of it": [["a", "ab", "abc"]],
    "the same single token": [["a", "a"]],
    "groups of unequal size and length": [["abcdxy", "abcdz"], ["q"], ["mnopqrstuvwxyz", "mnop", "mx", "m"], ["hello", "help"]],
    "a beginning that all groups share": [["tabc", "tabd"], ["tx"], ["tay", "t"]],
    "the same sequence in two groups": [["abc", "abd"], ["abd", "ab"]],
    "widest row last": [["ab", "ac"], ["a"], ["abcdefghijklmn"]],
}


def sequences(group: list[str]) -> list[np.ndarray]:
    return [np.array([ord(letter) - ord("a") for letter in text], dtype=np.int32) for text in group]


def alone(model, sequence: np.ndarray) -> torch.Tensor:
    return model(torch.from_numpy(sequence.astype(np.int64))[None])["last_hidden_state"][0]


@pytest.mark.parametrize("name", GROUPS)
def test_trees_give_the_states_of_each_sequence_alone(make_model, name):
    model = make_model(std=0.4)
    groups = [sequences(group) for group in GROUPS[name]]
    batch = pack_trees(groups)
    expected = torch.stack([alone(model, sequence)[-1] for group in groups for sequence in group])
    torch.testing.assert_close(model.forward_ends(batch), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.forward_packed(batch)[batch.ends], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", GROUPS)
def test_rows_give_the_states_of_each_sequence_alone(make_model, name):
    model = make_model(std=0.4)
    rows = [sequence for group in GROUPS[name] for sequence in sequences(group)]
    batch = pack(rows)
    expected = [alone(model, sequence) for sequence in rows]
    torch.testing.assert_close(model.forward_packed(batch), torch.cat(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(model.forward_ends(batch), torch.stack([states[-1] for states in expected]), atol=1e-5, rtol=0)


def test_random_trees(make_model):
    model = make_model(std=0.4)
    rng = np.random.default_rng(0)
    for _ in range(20):
        groups = []
        for _ in range(rng.integers(1, 5)):
            beginning = rng.integers(0, 3, rng.integers(0, 6))
            endings = [rng.integers(0, 3, rng.integers(1, 6)) for _ in range(rng.integers(1, 5))]
            groups.append([np.concatenate([beginning, ending]) for ending in endings])
        expected = torch.stack([alone(model, sequence)[-1] for group in groups for sequence in group])
        torch.testing.assert_close(model.forward_ends(pack_trees(groups)), expected, atol=1e-5, rtol=0)


def test_order_of_groups_does_not_matter(make_model):
    model = make_model(std=0.4)
    groups = [sequences(group) for group in GROUPS["groups of unequal size and length"]]
    forward = model.forward_ends(pack_trees(groups)).split([len(group) for group in groups])
    backward = model.forward_ends(pack_trees(groups[::-1])).split([len(group) for group in groups[::-1]])
    for one, other in zip(forward, backward[::-1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["groups of unequal size and length", "a beginning that all groups share"])
def test_gradients_through_trees_are_those_of_the_sequences_alone(make_model, name):
    model = make_model()
    groups = [sequences(group) for group in GROUPS[name]]
    model.forward_ends(pack_trees(groups)).square().sum().backward()
    packed = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    sum(alone(model, sequence)[-1].square().sum() for group in groups for sequence in group).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(packed[name], parameter.grad, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("group", "tokens"),
    [
        (["abcdxy", "abcdz", "abcduvw"], 4 + 2 + 1 + 3),
        (["abcdxy", "z", "abcdxw"], 5 + 1 + 1 + 1),
        (["abcd", "abcd"], 4),
        (["abc", "xyz"], 6),
        (["ab", "abcd"], 4),
    ],
)
def test_what_sequences_share_stands_once(group, tokens):
    """In one row, and in as many rows as there are sequences."""
    assert len(pack_trees([sequences(group)]).ids) == tokens
    assert len(pack_trees([sequences([text]) for text in group]).ids) == tokens


def test_rows_hold_no_padding():
    batch = pack(sequences(["abc", "z", "mn"]))
    assert batch.ids.tolist() == [0, 1, 2, 25, 12, 13]
    assert batch.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert batch.ends.tolist() == [2, 3, 5]
    assert (batch.layout.rows, batch.layout.width, batch.layout.mask) == (3, 3, None)
    assert batch.layout.slots.tolist() == [0, 1, 2, 3, 6, 7]


def test_gather_undoes_spread():
    layout = Layout(2, 3, torch.tensor([0, 1, 3, 4, 5]))
    tokens = torch.randn(5, 4)
    grid = layout.spread(tokens)
    assert grid.shape == (2, 3, 4) and not grid[0, 2].any()
    assert torch.equal(grid[1], tokens[2:])
    assert torch.equal(layout.gather(grid), tokens)


def test_moved_batch_is_the_same():
    batch = pack_trees([sequences(["abcx", "abcyz"]), sequences(["q"])])
    moved = batch.to(torch.device("cpu"))
    for name in ("ids", "positions", "ends"):
        assert torch.equal(getattr(moved, name), getattr(batch, name))
    for name in ("layout", "ends_layout"):
        ours, theirs = getattr(moved, name), getattr(batch, name)
        assert (ours.rows, ours.width) == (theirs.rows, theirs.width)
        assert torch.equal(ours.slots, theirs.slots) and torch.equal(ours.mask, theirs.mask)
    assert torch.equal(moved.layout.shared, batch.layout.shared)


def test_common_prefix_by_brute_force():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        group = [rng.integers(0, 2, rng.integers(0, 6)) for _ in range(rng.integers(1, 5))]
        expected = 0
        while all(len(sequence) > expected for sequence in group) and len({sequence[expected] for sequence in group}) == 1:
            expected += 1
        assert common_prefix(group) == expected
        seen.add(expected)
    assert seen >= {0, 1, 2, 3, 4, 5}
