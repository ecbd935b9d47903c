"""How long Snakemake plans a large study, and in how much memory: a dry run of what a config asks for, of which nothing exists.

    python benchmarks/scale.py --models 5 --methods 4 --seeds 5

Models times methods are stood for by as many variants of the recipe: the DAG has the same jobs and files. Prints one line of
JSON. With --finished, the same plan again where every output is there and recorded, which is what each later call of Snakemake on
a finished study costs (some minutes to set up, in a copy).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["languages"]


def overlay(models: int, methods: int, seeds: int) -> dict[str, Any]:
    """A study of one run for each model, method, language and seed; each model is asked every language."""
    variants = {
        f"m{model}_k{method}": {"lr": (model * methods + method + 1) * 1e-5}
        for model in range(models)
        for method in range(methods)
    }
    runs = [{"variant": name, "train": language, "seeds": list(range(seeds))} for name in variants for language in LANGUAGES]
    finetune = {"variants": variants, "runs": runs, "primary_variant": next(iter(variants))}
    return {"study": "scale", "tasks": {"nli": {"train_languages": LANGUAGES}}, "finetune": finetune}


def plan(directory: Path, study: Path) -> dict[str, float]:
    """One dry run in a project: jobs that it lists, seconds, and the largest resident size in MiB."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--cores", "1", "--resources", "gpu=0"]
    command += ["--configfile", "workflow/overlays/mini.yaml", str(study)]
    with tempfile.TemporaryFile("w+") as printed:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=directory, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        printed.seek(0)
        text = printed.read()
    if status:
        sys.exit(f"error: the dry run failed\n{text[-2000:]}")
    jobs = re.findall(r"^total +(\d+)$", text, re.M)
    return {
        "jobs": int(jobs[-1]) if jobs else 0,
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)),
    }


def finish(directory: Path, study: Path) -> None:
    """Makes every output of the study as an empty file, and has Snakemake record them as made by their rules as they are."""
    options = ["--cores", "8", "--resources", "gpu=8", "--configfile", "workflow/overlays/mini.yaml", str(study)]
    snakemake = [sys.executable, "-m", "snakemake"]
    listed = subprocess.run([*snakemake, "--summary", *options], cwd=directory, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines()[1:]:
        path = directory / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(
        [*snakemake, "--touch", "--forceall", "--quiet", "all", *options], cwd=directory, capture_output=True, check=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("models", 5), ("methods", 4), ("seeds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--finished", action="store_true", help="plan the finished study too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        study = Path(place) / "scale.yaml"
        study.write_text(yaml.safe_dump(overlay(asked.models, asked.methods, asked.seeds)), encoding="utf-8")
        project = Path(place) / "project"
        (project / "data").mkdir(parents=True)
        for path in (*(ROOT / name for name in ("Snakefile", "config.yaml", "workflow", "report")), *(ROOT / "data").iterdir()):
            if path.name != "downloads":
                (project / path.relative_to(ROOT)).symlink_to(path)
        measured = {"runs": asked.models * asked.methods * len(LANGUAGES) * asked.seeds, "new": plan(project, study)}
        if asked.finished:
            finish(project, study)
            measured["finished"] = plan(project, study)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
