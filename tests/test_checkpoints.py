"""Checkpoints: which are kept, which is used, and what a file that was cut off does."""

import pytest
import torch

from carryover import checkpoints
from carryover.checkpoints import Checkpoints


def state(update: int) -> dict:
    return {"update": update, "model": {"weight": torch.full((50,), float(update))}, "window": [], "best": None}


@pytest.fixture
def directory(tmp_path):
    """Two whole checkpoints, after updates 9 and 1000."""
    kept = Checkpoints(tmp_path / "run")
    for update in (2, 9, 1000):
        kept.save(update, state(update))
    return tmp_path / "run"


def newest(directory):
    return sorted(directory.glob("*.pt"))[-1]


def test_state_comes_back_as_it_was(directory):
    found = Checkpoints(directory).load()
    assert found["update"] == 1000 and found["window"] == [] and found["best"] is None
    assert torch.equal(found["model"]["weight"], torch.full((50,), 1000.0))


def test_only_the_two_newest_are_kept(directory):
    assert len(list(directory.iterdir())) == 2
    newest(directory).unlink()
    assert Checkpoints(directory).load()["update"] == 9
    assert not list(directory.glob("*partial"))


@pytest.mark.parametrize("left", [0, 1, 31, 32, 33, 500, -1])
def test_file_that_was_cut_off_is_passed_over(directory, left):
    path = newest(directory)
    path.write_bytes(path.read_bytes()[:left])
    assert Checkpoints(directory).load()["update"] == 9


@pytest.mark.parametrize("place", [0, 40, 300, -1])
def test_file_with_another_byte_is_passed_over(directory, place):
    content = bytearray(newest(directory).read_bytes())
    content[place] ^= 1
    newest(directory).write_bytes(content)
    assert Checkpoints(directory).load()["update"] == 9


def test_partial_file_of_a_killed_process_is_passed_over(directory):
    (directory / ".update-000002000.pt.123.partial").write_bytes(b"half")
    assert Checkpoints(directory).load()["update"] == 1000


def test_no_whole_file_means_from_the_start(directory):
    for path in directory.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert Checkpoints(directory).load() is None


def test_cut_off_file_is_not_the_last_one_kept(directory):
    """The run goes on from update 9, before the broken one: what it saves next outlives the broken file."""
    path = newest(directory)
    path.write_bytes(b"")
    again = Checkpoints(directory)
    again.save(10, state(10))
    again.save(11, state(11))
    assert again.load()["update"] == 11


def test_nothing_there_yet(tmp_path):
    assert Checkpoints(tmp_path / "none").load() is None


def test_clear_removes_the_directory(directory):
    kept = Checkpoints(directory)
    kept.clear()
    assert not directory.exists()
    assert kept.load() is None
    kept.clear()  # a second time does no harm


def test_without_a_directory_nothing_is_due_and_nothing_is_found():
    none = Checkpoints(None, seconds_between=0.0)
    assert not none.due()
    assert none.load() is None
    none.clear()


def test_due_after_so_many_seconds_since_the_last(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    kept = Checkpoints(tmp_path, seconds_between=60.0)
    assert not kept.due()
    now[0] = 159.0
    assert not kept.due()
    now[0] = 160.0
    assert kept.due()
    kept.save(1, state(1))
    assert not kept.due()
    now[0] = 220.0
    assert kept.due()
    assert Checkpoints(tmp_path, seconds_between=0.0).due()
