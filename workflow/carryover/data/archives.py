"""Text files of rows, alone or as members of a ZIP archive: their lines, and the checks that every reader of them makes."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")
LARGEST = 1 << 29  # bytes unpacked; the largest published member has 200 MB
MOST_UNUSABLE = 0.01  # more of the rows than this, and the file is not what it should be

Unusable = Sequence[tuple[int, str]]  # line numbers and reasons


def open_archive(archive: Path) -> zipfile.ZipFile:
    """The opened ZIP archive. Raises BadInput where it is none or was cut off."""
    try:
        return zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInput(f"{archive}: not a readable ZIP archive ({error}); delete it and fetch again") from error


def find_member(archive: Path, name: str, remedy: str = "") -> str:
    """The archive's member with this file name. Raises BadInput, with the remedy, where there is none."""
    with open_archive(archive) as opened:
        names = [info.filename for info in opened.infolist() if not info.filename.startswith("__MACOSX")]
    found = [member for member in names if member.rsplit("/", 1)[-1] == name]
    if not found:
        raise BadInput(f"{archive}: no member {name}{remedy}")
    return found[0]


def lines(source: Path, member: str | None) -> Iterator[tuple[int, str]]:
    """Numbered lines of a member, or, without one, of the file itself; ended by `\\n` alone, since text can hold U+2028.

    Raises BadInput for text that is not UTF-8 and for a file that is damaged or far too large.
    """
    number, where = 0, source if member is None else f"{source}: {member}"
    try:
        with ExitStack() as stack:
            for number, line in enumerate(_opened(source, member, stack), start=1):
                yield number, line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}, line {number}: not UTF-8 ({error.reason})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise BadInput(f"{where} is corrupt after line {number} ({error}); delete it and fetch again") from error


def _opened(source: Path, member: str | None, stack: ExitStack) -> IO[bytes]:
    if member is None:
        return stack.enter_context(source.open("rb"))
    opened = stack.enter_context(open_archive(source))
    # No more than the declared size is ever unpacked, and nothing of it to a file.
    if (size := opened.getinfo(member).file_size) > LARGEST:
        raise BadInput(f"{source}: {member} unpacks to {size} bytes, more than {LARGEST}: not a file of rows")
    return stack.enter_context(opened.open(member))


def check_rows(where: str, language: str, split: str, used: int, unusable: Unusable, expected: int | None) -> None:
    """Logs which rows cannot be used. where: the file. expected: how many rows there must be, None for any number.

    Raises BadInput where there are too many of them, no rows at all, or another number than expected.
    """
    total = used + len(unusable)
    for number, reason in unusable:
        log.info("%s, line %d: not used: %s", where, number, reason)
    if len(unusable) > MOST_UNUSABLE * max(total, 1):
        number, reason = unusable[0]
        raise BadInput(f"{where}: {len(unusable)} of {total} rows cannot be used, first line {number} ({reason})")
    if total == 0:
        raise BadInput(f"{where} has no rows for language {language!r}")
    if expected is not None and total != expected:
        raise BadInput(
            f"{where} has {total} rows for {language}, expected_rows.{split} says {expected}; "
            "another version of the data? then change the config"
        )
    log.info("%s %s: %d rows, %d not usable", language, split, total - len(unusable), len(unusable))
