"""Fetches one file: from its URL or path, a package of the Python index, or the mirror in CARRYOVER_MIRROR."""

import json
import os
from pathlib import Path

from carryover.data.fetch import fetch, origin_of
from carryover.runtime.job import Job, run_job

LOCK = Path("config.lock.yaml")  # the checksums of files that were seen for the first time, beside config.yaml


def work(job: Job) -> None:
    relative = job.config["path"]
    built = [str(path) for path in job.inputs["source"]]
    origin = built[0] if built else origin_of(json.loads(os.environ["FETCH_FROM"])[relative])
    accepted, first_use = job.config["sha256"], job.config["first_use"]
    job.facts["sha256"] = fetch(relative, origin, accepted, first_use, LOCK, job.output("file"), mirrored=not built)


if __name__ == "__main__":
    run_job(work)
