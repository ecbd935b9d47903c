"""Files appear whole or not at all, and every failure to write is one line."""

import errno
import hashlib
import json
from pathlib import Path

import pytest

from carryover.runtime import files
from carryover.runtime.errors import BadInput


def test_new_content_replaces_old_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "deep" / "folder" / "table.csv"
    files.write_text(target, "old")
    files.write_text(target, "neu: é ไทย\n")
    assert target.read_bytes() == "neu: é ไทย\n".encode()
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BadInput, SystemExit])
def test_an_exception_leaves_the_old_content_and_no_partial_file(tmp_path, error):
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")
    with pytest.raises(error), files.whole(target) as partial:
        partial.write_bytes(b"half of the n")
        raise error("stopped in the middle")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_target_is_untouched_until_the_end(tmp_path):
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")
    with files.whole(target) as partial:
        partial.write_bytes(b"new")
        assert partial.parent == target.parent  # a rename across file systems would be a copy
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path):
    """A rename, not a copy: at no moment is the file half of each."""
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        files.write_bytes(target, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("write", [files.write_text, files.write_json], ids=lambda write: write.__name__)
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch, write):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def full(path, *_, **__):
        path.touch()  # a full disk still makes the directory entry
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BadInput, match=r"cannot write .*table\.csv: No space left on device") as caught:
        write(target, "new")
    assert "\n" not in str(caught.value)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_disk_that_fills_up_at_the_flush_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(BadInput, match="No space left on device"):
        files.write_bytes(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match=r"cannot write .*results"):
        files.write_text(tmp_path / "results" / "table.csv", "x")


def test_a_body_that_writes_nothing_is_not_a_file(tmp_path):
    with pytest.raises(BadInput), files.whole(tmp_path / "x"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_json_keeps_the_order_and_the_letters(tmp_path):
    files.write_json(tmp_path / "x.json", {"z": "ไทย", "a": [1, None]})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"z": "ไทย", "a": [1, None]}
    assert text.index('"z"') < text.index('"a"')
    assert "ไทย" in text


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 5000])
def test_sha256_is_of_the_whole_file(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    (tmp_path / ".model[1].bin.4711.partial").write_bytes(b"half of the o")
    (tmp_path / ".model[1].bin.other").write_bytes(b"somebody's")
    files.write_bytes(tmp_path / "model[1].bin", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".model[1].bin.other", "model[1].bin"]


def test_a_file_that_went_away_is_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"cannot read .*gone: No such file or directory; make it again"):
        files.sha256(tmp_path / "gone")
