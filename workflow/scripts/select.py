"""Proposes the languages to train, from the English models on dev and from fertility."""

import pandas as pd

from carryover.analysis import predictions, records, statistics
from carryover.analysis.selection import Thresholds, adopting_overlay, propose
from carryover.metrics.bootstrap import Settings, interval
from carryover.runtime import files
from carryover.runtime.job import Job, run_job


def work(job: Job) -> None:
    config = job.config
    settings = Settings(1 - config["alpha"], config["resamples"], config["seed"])
    fertility = records.read_csv(job.input("fertility"))
    cells = predictions.read_cells(job.inputs["predictions"], [path.name.split(".")[0] for path in job.inputs["predictions"]])
    measured = []
    for (_, asked), cell in cells.items():
        low, high = interval(predictions.resampled_accuracy(cell, settings), settings.confidence)
        p = statistics.clustered_p(cell.sums.mean(axis=0), cell.rows, cell.chance)
        measured.append(
            {"language": asked.language, "dev_accuracy": float(cell.correct.mean()), "low": low, "high": high, "p": p}
        )
    table = pd.DataFrame(measured)
    others = table["language"] != "en"
    table.loc[others, "p_holm"] = statistics.holm(table.loc[others, "p"].to_numpy())
    # Fertility of training text is the published measure; dev text stands in where there is none.
    by_text = [fertility[fertility["text"] == text].set_index("language")["tokens_per_word"] for text in ("train", "dev")]
    words = by_text[0].combine_first(by_text[1])
    premium = fertility[fertility["text"] == "dev"].set_index("language")["token_premium"]
    table = table.assign(tokens_per_word=table["language"].map(words), token_premium=table["language"].map(premium))
    thresholds = Thresholds(**{name: config[name] for name in Thresholds.__dataclass_fields__})
    entries = propose(table.astype(object).where(table.notna(), None), config["strategy"], thresholds, config["trainable"])
    selected = [entry["language"] for entry in entries if entry["selected"]]
    proposal = {"strategy": config["strategy"], "thresholds": vars(thresholds), "listed": config["listed"], "languages": entries}
    files.write_json(job.output("proposal"), proposal)
    overlay = adopting_overlay(selected, config["runs"], config["variant"])
    files.write_text(job.output("overlay"), overlay)


if __name__ == "__main__":
    run_job(work)
