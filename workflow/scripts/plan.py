"""What each job of the study will cost, from the config, token counts and the rates of a machine."""

import pandas as pd

from carryover.analysis import records
from carryover.planning import costs
from carryover.planning.paths import Layout
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config = job.config
    study = Layout(str(job.output("plan").parents[1]))
    counted = {study.job(path.with_suffix(".provenance.json")): records.read_json(path) for path in job.inputs["counts"]}
    entries = {path.parent.name: len(records.read_json(path)["model"]["vocab"]) for path in job.inputs["tokenizers"]}
    found = {path.parent.name: records.read_json(path) for path in job.inputs["models"]}
    facts = costs.facts_by_model(config["models"], found, entries)
    lines = [line for path in job.inputs["text"] for line in path.read_bytes().splitlines() if line.strip()]
    sizes = costs.counted_sizes(counted, len(lines), sum(map(len, lines)))
    pace = costs.pace(records.read_csv(job.input("throughput")), config["machine"])
    rows = costs.estimate(config, facts, sizes, pace)
    files.write_text(job.output("plan"), pd.DataFrame(rows, columns=costs.COLUMNS).to_csv(index=False, lineterminator="\n"))
    job.facts["machine"] = config["machine"]


if __name__ == "__main__":
    run_job(work)
