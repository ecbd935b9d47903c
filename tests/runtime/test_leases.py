"""One GPU, one job: pretended devices, leased by real processes and by real Snakemake jobs."""

import os
import subprocess
import sys
import time
from itertools import permutations
from types import SimpleNamespace

import pytest
import torch

from carryover.runtime import devices, leases
from carryover.runtime.errors import BadInput
from study_runner import PROJECT, snakemake

LIBRARY = str(PROJECT / "workflow")
HOLD = (
    "import sys; from carryover.runtime.leases import lease; print(*lease(int(sys.argv[1]), sys.argv[2:]), flush=True); input()"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Locks of this test alone; whatever it leased is given back."""
    monkeypatch.setenv(leases.FOLDER, str(tmp_path / "leases"))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_TRIES", 0.02)
    yield tmp_path / "leases"
    while leases._held:
        leases._held.pop().release()


@pytest.fixture
def holder():
    """Starts processes that lease devices and hold them until they are told to go; gives process and devices."""
    running = []

    def start(wanted: int, *names: str, **environment: str) -> tuple[subprocess.Popen, list[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(wanted), *names],
            env={**os.environ, "PYTHONPATH": LIBRARY, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, process.stdout.readline().split()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_four_processes_lease_four_devices(holder):
    found = [holder(1, "0", "1", "2", "3")[1] for _ in range(4)]
    assert sorted(found) == [["0"], ["1"], ["2"], ["3"]]


@pytest.mark.parametrize("how", ["ends", "killed"])
def test_a_lease_goes_with_its_process_however_it_ends(holder, how):
    process, _ = holder(1, "7")
    if how == "ends":
        process.communicate("\n")
    else:
        process.kill()
        process.wait()
    assert leases.lease(1, ["7"]) == ["7"]


def test_who_finds_all_taken_says_so_and_waits(holder, caplog):
    process, _ = holder(2, "0", "1")
    caplog.set_level("INFO")
    subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {process.pid}"])
    began = time.monotonic()
    assert leases.lease(1, ["0", "1"]) == ["0"]
    assert time.monotonic() - began > 0.2
    assert [record.getMessage() for record in caplog.records] == ["waiting for 1 of the GPUs 0, 1: other jobs hold them"]


def test_several_are_taken_together_or_not_at_all(holder):
    """Two jobs that want two of three each must not wait for each other for ever, with one and a half pairs."""
    first, found = holder(2, "0", "1", "2")
    assert found == ["0", "1"]
    second = subprocess.Popen(
        [sys.executable, "-c", HOLD, "2", "0", "1", "2"],
        env={**os.environ, "PYTHONPATH": LIBRARY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(0.5)
        assert leases.lease(1, ["2"]) == ["2"]  # whoever waits holds nothing for long
        first.communicate("\n")
        assert second.stdout.readline().split() == ["0", "1"]
    finally:
        second.kill()
        second.communicate()


def test_where_there_are_fewer_all_are_leased():
    assert leases.lease(4, ["GPU-5e3f", "MIG-a/1/2"]) == ["GPU-5e3f", "MIG-a/1/2"]
    assert leases.lease(1, []) == []


def test_two_allocations_may_both_call_theirs_0(holder):
    assert holder(1, "0", SLURM_JOB_ID="17")[1] == ["0"]
    assert holder(1, "0", SLURM_JOB_ID="18")[1] == ["0"]
    assert holder(1, "0")[1] == ["0"]


def test_another_user_s_jobs_can_lock_too(folder):
    umask = os.umask(0o077)
    try:
        leases.lease(1, ["0"])
    finally:
        os.umask(umask)
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())] == ["0o777", "0o666"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(leases.FOLDER, str(tmp_path / "file" / "leases"))
    with pytest.raises(BadInput, match=rf"cannot make .*leases.*set {leases.FOLDER} to a folder on a local disk"):
        leases.lease(1, ["0"])


@pytest.mark.parametrize(
    ("left", "expected"),
    [("2,3", ["2", "3"]), (" GPU-1, GPU-2 ", ["GPU-1", "GPU-2"]), ("", []), ("-1", []), ("NoDevFiles", []), (None, [])],
)
def test_only_devices_that_were_left_visible_are_leased(monkeypatch, left, expected):
    monkeypatch.setattr(devices.torch.accelerator, "device_count", lambda: 0)
    if left is None:
        monkeypatch.delenv(devices.VISIBLE, raising=False)
    else:
        monkeypatch.setenv(devices.VISIBLE, left)
    assert devices.visible_devices() == expected


def test_without_the_variable_all_devices_are_visible(monkeypatch):
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.setattr(devices.torch.accelerator, "device_count", lambda: 3)
    assert devices.visible_devices() == ["0", "1", "2"]


@pytest.mark.parametrize(("gpus", "seen"), [(0, "4,5,6"), (1, "4"), (2, "4,5"), (9, "4,5,6")])
def test_a_job_sees_its_own_devices_and_no_other(monkeypatch, gpus, seen):
    monkeypatch.setenv(devices.VISIBLE, "4,5,6")
    monkeypatch.setattr(devices, "own_accelerator", lambda: torch.device("cuda", 0))
    pretended = SimpleNamespace(get_device_name=lambda: "pretended")
    monkeypatch.setattr(devices.torch, "get_device_module", lambda device: pretended)
    assert devices.choose_device(gpus, 1).type == ("cuda" if gpus else "cpu")
    assert os.environ[devices.VISIBLE] == seen


def test_a_gpu_job_without_a_gpu_says_so_and_runs_on_the_cpu(monkeypatch, caplog):
    monkeypatch.setenv(devices.VISIBLE, "")
    assert devices.choose_device(1, 1).type == "cpu"
    assert "no GPU is visible: running on the CPU" in caplog.text


SNAKEFILE = """
rule all:
    input: expand("{n}.done", n=range(5))

rule work:
    output: done="{n}.done"
    log: "{n}.log"
    resources: gpu=1
    shell:
        "PYTHONPATH=LIBRARY PYTHON job.py --key '{{\\"config\\":null}}' --log {log} --gpu {resources.gpu}"
        " --outputs {output.done} --output-names {output._names:q}"
"""
JOB = """
import os, time
from carryover.runtime import files
from carryover.runtime.job import run_job
from carryover.runtime.leases import lease


def work(job):
    own = lease(job.gpu, os.environ["CUDA_VISIBLE_DEVICES"].split(","))
    began = time.time()
    time.sleep(0.7)
    files.write_text(job.output("done"), f"{','.join(own) or 'cpu'} {began} {time.time()}")


run_job(work)
"""


@pytest.mark.parametrize("limit", [4, 1, 0])
def test_snakemake_runs_as_many_jobs_as_gpus_each_on_its_own(tmp_path, limit):
    """Four pretended devices. `gpu=0` is the CPU mode: all jobs, no device."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("LIBRARY", LIBRARY).replace("PYTHON ", f"{sys.executable} "))
    (tmp_path / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "snakemake", "--cores", "5", "--resources", f"gpu={limit}"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = [path.read_text().split() for path in tmp_path.glob("*.done")]
    spans = [(device, float(began), float(ended)) for device, began, ended in told]
    devices_used = {device for device, *_ in spans}
    assert len(spans) == 5
    if limit == 0:
        assert devices_used == {"cpu"}
        return
    at_once = [(one, other) for one, other in permutations(spans, 2) if one[1] <= other[1] < one[2]]
    assert all(one[0] != other[0] for one, other in at_once), "two jobs shared a device"
    assert bool(at_once) == (limit > 1) and devices_used <= {"0", "1", "2", "3"}


@pytest.mark.parametrize("resources", ["gpu=1", "mem_mb=100000"])
def test_a_dry_run_too_says_that_gpus_have_no_limit(resources):
    options = ["results/mini/config.yaml", "--dry-run", "--configfile", "workflow/overlays/mini.yaml", "--nolock"]
    shown = snakemake(PROJECT, *options, "--resources", resources)
    assert shown.returncode == 0, shown.stdout
    assert ("add --resources gpu=N (0 runs on the CPU)" in shown.stdout) == (resources != "gpu=1")
