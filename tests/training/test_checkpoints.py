"""Checkpoints: which are kept, which is used, and what a file that was cut off does."""

import resource

import pytest
import torch

from carryover.training import checkpoints
from carryover.training.checkpoints import Checkpoints


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


def test_damaged_files_do_not_push_out_what_is_saved_after_them(directory):
    """The run starts again from nothing; its own checkpoints have smaller numbers than the broken ones."""
    for path in directory.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    again = Checkpoints(directory)
    assert again.load() is None
    again.save(3, state(3))
    assert Checkpoints(directory).load()["update"] == 3


@pytest.mark.parametrize("content", [b"", b"x", b"0" * 5000, bytes(64)], ids=["empty", "one byte", "text", "zeros"])
def test_garbage_is_passed_over(directory, content):
    (directory / "update-000002000.pt").write_bytes(content)
    assert Checkpoints(directory).load()["update"] == 1000


def test_cut_at_any_place_is_recognised(directory):
    whole = newest(directory).read_bytes()
    for left in range(0, len(whole), 37):
        newest(directory).write_bytes(whole[:left])
        assert Checkpoints(directory).load()["update"] == 9
        (directory / "update-000001000.pt").write_bytes(whole)
    assert Checkpoints(directory).load()["update"] == 1000


def test_file_that_another_process_takes_away_does_no_harm(directory, monkeypatch):
    """A job that outlived its Snakemake and the one that was started again work in the same place."""
    kept = Checkpoints(directory)
    listed = kept._newest_first()
    newest(directory).unlink()
    monkeypatch.setattr(kept, "_newest_first", lambda: listed)
    assert kept.load()["update"] == 9
    kept.clear()
    kept.save(11, state(11))
    assert Checkpoints(directory).load()["update"] == 11


def test_full_disk_costs_a_warning_and_not_the_run(directory, caplog):
    """The file size limit of this process stands for the full disk: writing fails in the same place."""
    kept, limits = Checkpoints(directory, seconds_between=0.0), resource.getrlimit(resource.RLIMIT_FSIZE)
    big = {**state(2000), "model": {"weight": torch.zeros(300_000)}}
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        kept.save(2000, big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "after update 2000 not saved" in line and "update-000002000.pt" in line
    assert sorted(path.name for path in directory.iterdir()) == ["update-000000009.pt", "update-000001000.pt"]
    assert Checkpoints(directory).load()["update"] == 1000
    kept.save(2000, big)  # the disk has room again
    assert Checkpoints(directory).load()["update"] == 2000


def test_saving_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    """A save of 30 seconds (gigabytes on a slow disk) is not repeated every minute."""
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoints.torch, "save", lambda *_: now.__setitem__(0, now[0] + 30))
    kept = Checkpoints(tmp_path, seconds_between=60.0)
    kept.save(1, state(1))
    now[0] += 599
    assert not kept.due()
    now[0] += 2
    assert kept.due()


def test_partial_file_of_a_killed_process_is_passed_over(directory):
    (directory / ".update-000002000.pt.123.partial").write_bytes(b"half")
    assert Checkpoints(directory).load()["update"] == 1000


def test_no_whole_file_means_from_the_start(directory):
    for path in directory.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert Checkpoints(directory).load() is None
    assert not list(directory.iterdir())


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
