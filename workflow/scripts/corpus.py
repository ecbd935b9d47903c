"""Reads the splits of one language from an archive into tables, and counts what was used."""

from carryover.data.xnli import LABEL_NAMES, prepare_text, read_split, take_subset
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    language, counts = job.config["language"], {}
    for path in job.outputs["tables"]:
        split = path.stem.rsplit(".", 1)[-1]
        table, unusable = read_split(job.input("archive"), split, language, job.config["expected_rows"][split])
        rows = len(table) + unusable
        if split == "train":
            table = take_subset(table, job.config["subset"], job.config["subset_seed"])
        table = prepare_text(table, language, split, job.config.get("detokenize", False), job.config["unsegment"])
        with files.whole(path) as partial:
            table.to_parquet(partial, index=False, compression="zstd")
        labels = table["label"].value_counts().reindex(range(len(LABEL_NAMES)), fill_value=0)
        counts[split] = {"rows": rows, "used": len(table), "unusable": unusable, "labels": labels.tolist()}
    files.write_json(job.output("counts"), {"language": language, "splits": counts})


if __name__ == "__main__":
    run_job(work, inputs=["archive"], outputs=["tables", "counts"])
