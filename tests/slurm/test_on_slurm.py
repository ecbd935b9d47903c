"""A study on a real SLURM of one node: what is submitted, where to, with what; and what happens when jobs are taken away."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from slurm_cluster import output, wait_for

pytestmark = pytest.mark.slow
ON_A_GPU = {"pretrain", "finetune", "predict_all", "generate"}
LOCAL = {"all", "config", "fetch", "mini"}
RUNS = [f"toy/nli/full/baseline/{language}/seed0" for language in ("en", "fr")]


def rule(job: dict[str, str]) -> str:
    return re.sub("^rule_|_wildcards_.*", "", job["comment"])


def test_the_study_ends_with_its_report_and_every_job_completed(ran):
    assert {job["state"] for job in ran.jobs} == {"COMPLETED"}
    page = (ran.results / "report.html").read_text(encoding="utf-8")
    assert "Swahili" in page and len(page) > 100_000
    assert (ran.results / "config.yaml").exists() and not list(ran.results.glob("scratch/*"))


def test_what_needs_the_internet_or_no_time_runs_on_the_head_node_and_all_else_is_submitted(ran):
    started = dict(re.findall(r"^(\w+) +(\d+)$", ran.printed.split("Job stats:")[1].split("total")[0], re.M))
    submitted = [rule(job) for job in ran.jobs]
    assert {name: submitted.count(name) for name in set(submitted)} == {
        name: int(count) for name, count in started.items() if name not in LOCAL
    }
    assert {"fetch", "mini", "config"} <= set(started)


def test_gpu_jobs_go_to_the_gpu_partition_with_one_gpu_of_the_model_and_others_with_none_to_the_other(ran):
    for job in ran.jobs:
        wanted = ("gpu", "gres:gpu:pretended:1") if rule(job) in ON_A_GPU else ("cpu", "gres:gpu:pretended:0")
        assert (job["partition"], job["gpus"]) == wanted, job
    assert {rule(job) for job in ran.jobs} >= ON_A_GPU


def test_a_job_sees_the_gpu_that_it_was_given(ran):
    leased = [re.findall(r"leased GPU (\d)", (ran.results / f"logs/finetune/{run}.log").read_text()) for run in RUNS]
    assert all(found in (["0"], ["1"]) for found in leased)
    made = [json.loads((ran.results / f"models/{run}/provenance.json").read_text()) for run in RUNS]
    begun = [datetime.fromisoformat(job["started"]).timestamp() for job in made]
    later = int(begun[1] > begun[0])
    if begun[later] + 2 < begun[1 - later] + made[1 - later]["seconds"]:  # two at the same time, each on its own
        assert leased[0] != leased[1]


def test_memory_and_time_are_the_rules_within_the_clusters_limits(ran):
    for job in ran.jobs:
        assert job["time"] == "1:40:00"  # no rule asks for less than 120 minutes, and the limit is 100
    (pretraining,) = [job for job in ran.jobs if rule(job) == "pretrain"]
    assert pretraining["memory"] == "4000M"


def test_short_jobs_of_a_rule_are_one_submission(ran):
    arrays = [job["id"].split("_")[0] for job in ran.jobs if rule(job) == "corpus_evaluation"]
    assert len(arrays) == 3 and len(set(arrays)) == 1


def test_slurms_own_logs_lie_with_the_study(ran):
    logs = ran.results / "logs/slurm"
    for job in ran.jobs:
        assert [path for path in logs.rglob(f"{job['id']}.log") if f"rule_{rule(job)}" in path.parts], job
    assert not (ran.project / ".snakemake/slurm_logs").exists()


def digests(results: Path) -> dict[str, str]:
    """SHA-256 of each model's weights and curve, and of its predictions, by path."""
    wanted = [
        *results.glob("models/**/model.safetensors"),
        *results.glob("models/**/*.csv"),
        *results.glob("predictions/**/*.parquet"),
    ]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in wanted}


@pytest.fixture
def undisturbed(ran, tmp_path) -> dict[str, str]:
    """The digests of the same longer runs, made on this machine without SLURM."""
    project = tmp_path / "undisturbed"
    shutil.copytree(ran.project, project, symlinks=True)
    targets = [f"results/tiny/predictions/{run}/nli/full/provenance.json" for run in RUNS]
    command = [sys.executable, "-m", "snakemake", *targets, *ran.overlays, "tests/slurm/longer.yaml", "--cores", "2"]
    made = subprocess.run([*command, "--resources", "gpu=0"], cwd=project, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-4000:]
    return digests(project / "results/tiny")


def test_requeued_cancelled_drained_and_without_a_controller_the_study_ends_in_the_same_bits(ran, slurm, submit, undisturbed):
    known = {job["id"] for job in slurm.jobs()}
    scratch = ran.results / "scratch"
    process = submit(ran.project, "tests/slurm/longer.yaml", CARRYOVER_CHECKPOINT_SECONDS="0.2")

    def training(*states: str) -> list[dict[str, str]]:
        return [job for job in slurm.jobs(*states) if rule(job) == "finetune" and job["id"] not in known]

    def until(true: Callable[[], bool], what: str) -> None:
        def and_not_over() -> bool:
            assert process.poll() is None, f"Snakemake ended: {(ran.project / 'printed.txt').read_text()[-4000:]}"
            return true()

        wait_for(and_not_over, 300, what)

    until(
        lambda: len(training("RUNNING")) == len({path.parent for path in scratch.glob("*/update-*.pt")}) == 2,
        "two runs that have saved",
    )
    requeued, cancelled = (job["id"] for job in training("RUNNING"))
    output("scontrol", "update", f"nodename={slurm.host}", "state=drain", "reason=test")
    output("scontrol", "requeue", requeued)
    output("scancel", cancelled)
    until(lambda: len(training("PENDING")) == 2, "the requeued job, and another attempt at the cancelled one, to queue")
    assert not training("RUNNING")
    output("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    until(lambda: len(training("RUNNING")) == 2, "both to run again")
    slurm.stop("slurmctld")
    slurm.start("slurmctld")
    assert process.wait(1500) == 0, (ran.project / "printed.txt").read_text()[-4000:]

    assert digests(ran.results) == undisturbed
    for run in RUNS:
        assert re.search(r"going on from update-0*[1-9]", (ran.results / f"logs/finetune/{run}.log").read_text()), run
    assert {job["id"]: job["state"] for job in training()}.items() >= {requeued: "COMPLETED", cancelled: "CANCELLED"}.items()
    (again,) = [job for job in training() if job["id"] not in (requeued, cancelled)]
    assert (again["state"], again["memory"]) == ("COMPLETED", "16000M")  # the first attempt asked for 8000
    assert not list(scratch.glob("*"))
