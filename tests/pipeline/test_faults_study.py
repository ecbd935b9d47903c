"""Faults around a whole study, through Snakemake: what a user sees, and that running again makes good what was lost.

The study is one language of a small archive: fetch and corpus, seconds. Training that is killed: tests/test_resume.py.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
import yaml

from carryover.data import tokenizer
from study_runner import PROJECT, clone, planned, snakemake

TABLE = "results/tiny/corpus/nli/en.dev.parquet"
OPTIONS = ("--configfile", "tiny.yaml")
HEADER = "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\tgenre\n"


def tiny_study(directory: Path) -> Path:
    """A copy of the project with a study of one small archive."""
    clone(directory)
    rows = [f"en\tneutral\tPremise {n}.\tHypothesis {n}.\t{n // 3}\t{n}\tfiction\n" for n in range(300)]
    with zipfile.ZipFile(directory / "xnli.zip", "w") as archive:
        for split in ("dev", "test"):
            archive.writestr(f"XNLI-1.0/xnli.{split}.tsv", HEADER + "".join(rows))
    (directory / "text.txt").write_text("A line of text.\n" * 5)
    study = yaml.safe_load((directory / "workflow/overlays/mini.yaml").read_text()) | {"study": "tiny", "languages": ["en"]}
    files = {"xnli": "xnli.zip", "xnli_mt": "xnli.zip", "pretrain_text": "text.txt"}
    sums = {path: hashlib.sha256((directory / path).read_bytes()).hexdigest() for path in files.values()}
    fetched = {name: {"path": f"tiny/{path}", "url": path, "sha256": [sums[path]]} for name, path in files.items()}
    study["fetch"] = {"files": fetched}
    rows = {"train": None, "dev": None, "test": None}
    study["tasks"] = {"nli": {"train_languages": ["en"], "expected_rows": rows}}
    study["finetune"] |= {"runs": [{"variant": "baseline", "train": "en"}], "sets": {}}
    (directory / "tiny.yaml").write_text(yaml.safe_dump(study))
    return directory


@pytest.fixture
def study(tmp_path) -> Path:
    return tiny_study(tmp_path / "project")


def bytes_of(project: Path) -> bytes:
    return (project / TABLE).read_bytes()


def nothing_half_written(project: Path) -> bool:
    return not [path for path in project.rglob("*") if path.suffix in (".partial", ".part")]


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake in a session of its own, as in a terminal of its own."""
    command = [sys.executable, "-m", "snakemake", TABLE, *OPTIONS, "--cores", "1", "--resources", "gpu=0", *arguments]
    return subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def hang(project: Path) -> None:
    """Makes the reading of the archive hang until there is a file `go`, by the interpreter: Snakemake sees no change."""
    (project / "workflow/sitecustomize.py").write_text(
        "import pathlib, sys, time\n"
        "if any('corpus.py' in part for part in sys.orig_argv):\n"
        "    pathlib.Path('started').touch()\n"
        "    while not pathlib.Path('go').exists(): time.sleep(0.05)\n"
    )


def wait_until(condition, process: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------ surroundings and names


ODD = """it's $(touch pwned) "a" ; touch pwned & `touch pwned` é"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "surroundings",
    [
        {"directory": ODD},
        {"PYTHONPATH": "polluted"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        {"HOME": "/does/not/exist", "TMPDIR": "/does/not/exist"},
        {"IFS": "aeiou", "CDPATH": "/", "BASH_ENV": "/does/not/exist", "SCRIPTS": "/tmp", "PYTHONSTARTUP": "/does/not/exist"},
    ],
    ids=lambda surroundings: next(iter(surroundings)),
)
def test_a_study_runs_in_odd_surroundings(tmp_path, surroundings):
    """A checkout whose path is code, modules of other projects, no UTF-8 locale, no home."""
    environment = dict(surroundings)
    project = tiny_study(tmp_path / environment.pop("directory", "project"))
    if "PYTHONPATH" in environment:
        (project / "polluted/carryover").mkdir(parents=True)
        for name in ("carryover/__init__", "sacremoses", "config", "corpus", "fetch"):
            (project / f"polluted/{name}.py").write_text("raise RuntimeError('a module of another project')\n")
        environment["PYTHONPATH"] = str(project / "polluted")
    ran = snakemake(project, TABLE, *OPTIONS, **environment)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert len(bytes_of(project)) > 1000 and nothing_half_written(project)
    assert not list(tmp_path.rglob("pwned"))


BAD_NAMES = [
    "a b",
    "$(touch pwned)",
    "a;touch pwned",
    "a'b",
    'a"b',
    "a\nb",
    "`touch pwned`",
    "../up",
    "é",
    "{x}",
    "-rf",
    "",
    "a/b",
    "a" * 65,
]
PLACES = {
    "study": lambda name: {"study": name},
    "languages": lambda name: {"languages": ["en", name]},
    "variants": lambda name: {"finetune": {"variants": {name: {"lr": 1e-4}}, "runs": [{"variant": name, "train": "en"}]}},
    "sets": lambda name: {"finetune": {"sets": {name: ["en"]}, "runs": [{"variant": "baseline", "train": name}]}},
    "models": lambda name: {"models": {name: {"source": "pretrain", "tokenizer": "gpt2"}}},
    "tokenizers": lambda name: {"tokenizers": {name: {"source": "train"}}},
    "fetch.files": lambda name: {"fetch": {"files": {name: {"path": "x.zip", "url": "x.zip"}}}},
    "fetch.files.xnli.path": lambda name: {"fetch": {"files": {"xnli": {"path": name}}}},
    "tasks.nli.templates": lambda name: {"tasks": {"nli": {"templates": {name: "{premise} {hypothesis}"}, "template": name}}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_name_is_refused_in_one_line(place, name):
    """Names become parts of paths and of commands: the schema lets letters, digits, dots, dashes and underscores through."""
    from snakemake.utils import update_config

    from carryover.planning.config import resolve
    from carryover.planning.schema import load_schema
    from carryover.runtime.errors import BadInput

    if (place, name) == ("fetch.files.xnli.path", "a/b"):
        pytest.skip("a path may have folders")
    if place == "fetch.files.xnli.path" and len(name) > 64:
        pytest.skip("a path may be long")
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    update_config(config, PLACES[place](name))
    with pytest.raises(BadInput, match=r"^config: ") as caught:
        resolve(config, load_schema())
    assert "\n" not in " ".join(str(caught.value).split())


@pytest.mark.slow
def test_texts_of_the_config_reach_no_shell(tmp_path, make_model):
    """Free text (titles, templates, prompts, paths) may hold anything; all of it passes through a command line."""
    text = "'; touch pwned; $(touch pwned) `touch pwned` \" \\ {x} {{y}} %s \n touch pwned # é ไทย"
    project = tiny_study(tmp_path / "project")
    config = yaml.safe_load((project / "tiny.yaml").read_text())
    config["report"] = {"title": text, "not_comparable_because": text}
    config["generate"] |= {"prompts": [text]}
    template = text.replace("{x}", "").replace("{{y}}", "") + "{premise}{hypothesis}"
    config["tasks"]["nli"] |= {"labels": [text, "1", "2"], "templates": {"mine": template}, "template": "mine"}
    odd = project / 'it\'s $(touch pwned); a "folder"'
    odd.mkdir()
    shutil.move(project / "xnli.zip", odd / "xnli.zip")
    for name in ("xnli", "xnli_mt"):
        config["fetch"]["files"][name]["url"] = f"{odd.name}/xnli.zip"
    config["models"]["mine"] = {"source": "directory", "path": odd.name}
    config["predict"] = {"as_they_are": ["mine"]}
    make_model(vocab_size=5000, n_embd=8).save_pretrained(odd)
    tokenizer.save(tokenizer.train_bpe(project / "text.txt", 300), odd)
    (project / "tiny.yaml").write_text(yaml.safe_dump(config))
    model = "results/tiny/pretrained/mine/model.safetensors"
    ran = snakemake(project, TABLE, model, "results/tiny/config.yaml", *OPTIONS)
    assert ran.returncode == 0, ran.stdout[-3000:]
    kept = yaml.safe_load((project / "results/tiny/config.yaml").read_text())
    assert kept["report"]["title"] == text and kept["generate"]["prompts"] == [text]
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.slow
@pytest.mark.parametrize("works", [True, False], ids=["works", "fails"])
def test_no_secret_and_no_home_directory_in_what_is_written(tmp_path, works):
    home = tmp_path / "home/alice"
    home.mkdir(parents=True)
    project = tiny_study(home / "carryover")
    config = yaml.safe_load((project / "tiny.yaml").read_text())
    config["fetch"]["files"]["xnli"]["url"] = str(project / "xnli.zip")
    if not works:
        config["fetch"]["files"]["xnli"]["sha256"] = ["0" * 64]
    (project / "tiny.yaml").write_text(yaml.safe_dump(config))
    secrets = {"HF_TOKEN": "hf_abcdefghijklmnop", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIbPxRfiCY"}
    ran = snakemake(project, TABLE, *OPTIONS, "--quiet", "rules", HOME=str(home), **secrets)
    assert (ran.returncode == 0) == works, ran.stdout
    written = [path for path in (project / "results").rglob("*") if path.is_file()]
    assert written
    for path in written:
        content = path.read_bytes()
        assert not [value for value in (*secrets.values(), str(home)) if value.encode() in content], path
    assert not [value for value in secrets.values() if value in ran.stdout]


def test_a_login_in_the_mirror_is_not_shown(tmp_path):
    project = tiny_study(tmp_path / "project")
    mirror = "http://alice:opensesame@127.0.0.1:9"  # nothing listens on the port `discard`
    ran = snakemake(project, TABLE, *OPTIONS, CARRYOVER_MIRROR=mirror)
    assert ran.returncode == 1 and "opensesame" not in ran.stdout
    assert "error: cannot reach http://***@127.0.0.1:9" in ran.stdout


# ------------------------------------------------------------------------------------------ two at once, killed, interrupted


@pytest.mark.slow
def test_a_second_snakemake_says_that_there_is_a_first_and_harms_nothing(study):
    hang(study)
    first = start(study)
    wait_until((study / "started").exists, first)
    second = snakemake(study, TABLE, *OPTIONS)
    assert second.returncode == 1
    assert "cannot be locked" in second.stdout and "no other Snakemake process" in second.stdout
    (study / "go").touch()
    assert first.wait(timeout=300) == 0, first.stdout.read()
    assert planned(study, "--nolock", TABLE, *OPTIONS) == {}


@pytest.mark.slow
def test_a_job_killed_for_memory_has_its_line_and_runs_again(study):
    hang(study)
    running = start(study)
    wait_until((study / "started").exists, running)
    there = [one for one in psutil.Process(running.pid).children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    for process in there:
        if any("corpus.py" in part for part in process.cmdline()) and "python" in process.name():
            process.kill()  # as the system does where memory ends
    said = running.communicate(timeout=300)[0]
    assert running.returncode == 1
    assert "error: a job was killed, most often for want of memory; the same command goes on" in said
    assert "--set-resources RULE:mem_mb=N" in said and not (study / TABLE).exists()
    (study / "go").touch()
    assert snakemake(study, TABLE, *OPTIONS, "--rerun-incomplete").returncode == 0
    assert len(bytes_of(study)) > 1000 and nothing_half_written(study)


@pytest.mark.slow
def test_a_snakemake_that_was_killed_needs_the_same_command_alone(study):
    """SIGKILL of everything in mid-job: locks and incomplete outputs are left, and do not stand in the way."""
    hang(study)
    running = start(study)
    wait_until((study / "started").exists, running)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    (study / "go").touch()
    again = snakemake(study, TABLE, *OPTIONS, "--rerun-incomplete")
    assert again.returncode == 0, again.stdout[-3000:]
    assert len(bytes_of(study)) > 1000 and nothing_half_written(study)


@pytest.mark.slow
def test_ctrl_c_at_any_time_loses_nothing(study, tmp_path):
    rng = random.Random(7)
    for _ in range(4):
        running = start(study, "--rerun-incomplete")
        time.sleep(rng.uniform(0.5, 8.0))
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to Snakemake and its jobs
        running.communicate(timeout=300)
        assert nothing_half_written(study)
    assert snakemake(study, TABLE, *OPTIONS, "--rerun-incomplete").returncode == 0
    undisturbed = tiny_study(tmp_path / "undisturbed")
    assert snakemake(undisturbed, TABLE, *OPTIONS).returncode == 0
    assert bytes_of(study) == bytes_of(undisturbed) and planned(study, "--nolock", TABLE, *OPTIONS) == {}


# ------------------------------------------------------------------------------------------ clocks, metadata, disks


@pytest.mark.slow
def test_a_clock_an_hour_ahead_throws_nothing_away_and_runs_nothing_twice(study):
    """Snakemake deletes what a job made from files that are newer than the present; hours of training would go."""
    archive = study / "data/downloads/tiny/xnli.zip"
    assert snakemake(study, str(archive.relative_to(study)), *OPTIONS).returncode == 0
    ahead = time.time() + 3600
    os.utime(archive, (ahead, ahead))
    ran = snakemake(study, TABLE, *OPTIONS)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "xnli.zip: clock skew" in ran.stdout and archive.stat().st_mtime <= time.time()
    assert planned(study, "--nolock", TABLE, *OPTIONS) == {}


@pytest.mark.slow
def test_lost_metadata_or_provenance_is_made_again_and_results_stay_the_same(study):
    assert snakemake(study, TABLE, *OPTIONS).returncode == 0
    made = bytes_of(study)
    (study / "results/tiny/corpus/nli/en.evaluation.provenance.json").unlink()
    assert set(planned(study, "--nolock", TABLE, "results/tiny/corpus/nli/en.evaluation.provenance.json", *OPTIONS)) == {
        "corpus_evaluation"
    }
    shutil.rmtree(study / ".snakemake")
    assert snakemake(study, TABLE, "results/tiny/corpus/nli/en.evaluation.provenance.json", *OPTIONS).returncode == 0
    assert bytes_of(study) == made


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["read-only", "full"])
def test_a_results_directory_that_cannot_be_written_is_one_line(study, fault):
    place = study / "results"
    place.mkdir()
    size = "4k" if fault == "full" else "1m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        if fault == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        ran = snakemake(study, TABLE, *OPTIONS)
        assert ran.returncode == 1
        assert re.search("Read-only file system|No space left on device", ran.stdout), ran.stdout[-3000:]
        assert not (study / TABLE).exists() and nothing_half_written(study)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
    assert snakemake(study, TABLE, *OPTIONS, "--rerun-incomplete").returncode == 0


@pytest.mark.slow
def test_a_working_directory_without_locks_runs(study):
    """Snakemake's own process where every lock of the system fails, as on some network file systems."""
    (study / "sitecustomize").mkdir()
    (study / "sitecustomize/sitecustomize.py").write_text(
        "import errno, fcntl\ndef refuse(*_):\n    raise OSError(errno.ENOLCK, 'No locks available')\n"
        "fcntl.flock = fcntl.lockf = refuse\n"
    )
    ran = snakemake(study, TABLE, *OPTIONS, PYTHONPATH=str(study / "sitecustomize"))
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert json.loads((study / "results/tiny/corpus/nli/en.evaluation.json").read_text())["splits"]["dev"]["used"] == 300
