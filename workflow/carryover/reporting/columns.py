"""What the report's tables show: their columns, how a cell of each kind is written, and which job made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from carryover.reporting.formatting import Words, duration, p_value, signed, significant, size, whole

Row = Mapping[str, Any]
Shown = tuple[str, Any]  # a cell's text, and the value that it sorts by


def _accuracy(row: Row, column: str, words: Words) -> Shown:
    """An accuracy with its interval: `single_accuracy` with `single_low`, any other with `low`, where there is one."""
    start = column.removesuffix("accuracy")
    low, high = (f"{start}{end}" if f"{start}{end}" in row else end for end in ("low", "high"))
    if pd.isna(row.get(low)):
        return words.percent(row[column]), row[column]
    return f"{words.percent(row[column])} [{words.ends(row, low, high)}]", row[column]


def _language(row: Row, column: str, words: Words) -> Shown:
    code, name = row[column], words.language(row[column])
    return f"{name} ({code})" if name != code else code, name


def _difference(row: Row, column: str, words: Words) -> Shown:
    """A difference in points with its interval, whose ends are the columns of the same beginning."""
    start = column if f"{column}_low" in row else column.removesuffix("_difference")
    low, high = words.points(row[f"{start}_low"]), words.points(row[f"{start}_high"])
    return f"{words.points(row[column])} [{low} to {high}]", row[column]


def _offset(row: Row, column: str, words: Words) -> Shown:
    ends = [signed(f"{row[f'published_{end}']:+.3f}") for end in ("low", "high")]
    return f"{signed(f'{row[column]:+.3f}')} [{ends[0]} to {ends[1]}]", row[column]


def _calibration(row: Row, column: str, words: Words) -> Shown:
    return f"{words.percent(row[column])} [{words.ends(row, f'{column}_low', f'{column}_high')}]", row[column]


def _rho(row: Row, column: str, words: Words) -> Shown:
    text = f"{row[column]:.2f} [{row['low']:.2f} to {row['high']:.2f}]"
    return signed(text), row[column]


def _words_per(row: Row, column: str, words: Words) -> Shown:
    start = {"tokens_per_word": "word", "token_premium": "premium"}[column]
    if pd.isna(row.get(f"{start}_low")):
        return significant(row[column]), row[column]
    return f"{row[column]:.2f} [{row[f'{start}_low']:.2f} to {row[f'{start}_high']:.2f}]", row[column]


KINDS: dict[str, Callable[[Row, str, Words], Shown]] = {
    "text": lambda row, column, words: (str(row[column]), str(row[column])),
    "yes": lambda row, column, words: ("yes" if row[column] else "no", int(row[column])),
    "language": _language,
    "count": lambda row, column, words: (whole(row[column]), row[column]),
    "number": lambda row, column, words: (significant(row[column]), row[column]),
    "plain": lambda row, column, words: (f"{row[column]:g}", row[column]),
    "percent": lambda row, column, words: (words.percent(row[column]), row[column]),
    "points": lambda row, column, words: (words.points(row[column]), row[column]),
    "p": lambda row, column, words: (p_value(row[column]), row[column]),
    "time": lambda row, column, words: (duration(row[column]), row[column]),
    "size": lambda row, column, words: (size(row[column]), row[column]),
    "accuracy": _accuracy,
    "difference": _difference,
    "offset": _offset,
    "calibration": _calibration,
    "rho": _rho,
    "words_per": _words_per,
}
NUMERIC = set(KINDS) - {"text", "language", "yes"}
# Which job a cell comes from. What names a row, or was published by others, comes from none.
PREDICTION, TRAINING, TABLE, OWN, NOBODY = "prediction", "training", "tables", "the table's stage", ""
REPORT, PUBLIC, LITERATURE = "report", "public_runs", "literature"  # whose figures, by their name in the config


class Column(NamedTuple):
    """A heading, the kind of its cells, what made them, and, of what others published, who."""

    label: str
    kind: str
    made_by: str = NOBODY
    whose: str = ""


def _columns(made_by: str, kind: str, whose: str = "", **labels: str) -> dict[str, Column]:
    return {name: Column(label, kind, made_by, whose) for name, label in labels.items()}


# Columns of one name mean the same in every table, but for those in `HERE`.
KNOWN: dict[str, Column] = {
    **_columns(NOBODY, "language", language="Language"),
    **_columns(NOBODY, "text", split="Split", text="Text", variant="Variant", train="Trained on", trained_on="Trained on"),
    **_columns(NOBODY, "text", regime="Regime", other="Less", control="Control", view="View", backbone="Model", model="Model"),
    **_columns(NOBODY, "text", outcome="Outcome", predictor="Predictor", approach="Approach", languages="Languages"),
    **_columns(NOBODY, "text", setting="Setting", source="Source", matched_on="Matched on", single_model="Single model"),
    **_columns(NOBODY, "yes", seen="Seen"),
    **_columns(NOBODY, "count", seed="Seed"),
    **_columns(PREDICTION, "accuracy", accuracy="Accuracy"),
    **_columns(PREDICTION, "count", n="n"),
    **_columns(TABLE, "p", p_holm="p against chance, Holm", p_difference="McNemar's p, Holm", p="p"),
    **_columns(TABLE, "text", verdict="Verdict", finding="Finding", category="Category", comparison="Comparable?"),
    **_columns(PREDICTION, "percent", dev_accuracy="Dev accuracy", greedy_accuracy="Greedy", invalid="No label"),
    **_columns(TABLE, "percent", zero_shot="Zero-shot", full_accuracy="Full model", lowest="Lowest", highest="Highest"),
    **_columns(TABLE, "accuracy", single_accuracy="Single model's accuracy"),
    **_columns(TABLE, "difference", difference="Difference, points"),
    **_columns(TABLE, "points", detectable="Smallest detectable", sd="SD over seeds"),
    **_columns(TABLE, "rho", rho="Spearman's rho"),
    **_columns(TABLE, "count", seeds="Seeds", models="Models", other_examples="Of the other", other_updates="Of the other"),
    **_columns(TABLE, "count", joint_examples="Examples of it, joint", single_examples="Examples, single"),
    **_columns(TABLE, "count", joint_updates="Updates, joint", single_updates="Updates, single"),
    **_columns(TABLE, "text", missing="Run to add"),
    **_columns(TRAINING, "count", rows="Rows", examples="Examples", updates="Updates", tokens="Tokens", epochs="Epochs"),
    **_columns(TRAINING, "count", batch_size="Batch", best_epoch="Best epoch", peak_memory_mb="Memory, MiB"),
    **_columns(TRAINING, "count", parameters="Parameters"),
    **_columns(TRAINING, "plain", lr="Learning rate"),
    **_columns(TRAINING, "number", train_loss="Train loss"),
    **_columns(TRAINING, "time", seconds="Time"),
    **_columns(TRAINING, "size", model_bytes="Disk"),
    **_columns(TABLE, "calibration", ece="Calibration error", ece_tempered="Error with it"),
    **_columns(TABLE, "number", temperature="Temperature", nll="NLL", nll_tempered="NLL with it"),
    **_columns(OWN, "count", used="Used", unusable="Unusable", entailment="Entailment", contradiction="Contradiction"),
    **_columns(OWN, "count", neutral="Neutral", premise_cut="Premise cut", hypothesis_cut="Hypothesis cut", lines="Lines"),
    **_columns(OWN, "number", mean_tokens="Mean tokens", tokens_per_character="Per character", bytes_per_token="Bytes per token"),
    **_columns(OWN, "percent", beyond_pretraining="Beyond pretraining"),
    **_columns(OWN, "words_per", tokens_per_word="Tokens per word", token_premium="Token premium"),
    **_columns(TABLE, "text", group="Group"),
    **_columns(OWN, "number", validation_loss="Validation loss", validation_perplexity="Perplexity"),
    **_columns(OWN, "number", published_loss="As published: padding counted"),
    **_columns(OWN, "count", tier="Tier"),
    **_columns(OWN, "yes", selected="Proposed", listed="Trained here"),
    **_columns(OWN, "text", reason="Reason"),
    **_columns(
        NOBODY, "percent", REPORT, published="Published", published_dev="Published dev", improvement_published="Published gain"
    ),
    **_columns(NOBODY, "percent", REPORT, published_zero_shot="Published zero-shot"),
    **_columns(NOBODY, "points", REPORT, published_baseline="Published to its baseline"),
    **_columns(NOBODY, "number", REPORT, published_train_loss="Published train loss"),
    **_columns(NOBODY, "text", REPORT, published_category="Published category", published_group="Published group"),
    **_columns(TABLE, "difference", REPORT, published_difference="Difference to published"),
    **_columns(TABLE, "difference", REPORT, improvement_difference="Gain to published gain", delta_difference="To published"),
    **_columns(NOBODY, "percent", PUBLIC, public_low="Public runs, lowest", public_high="Highest"),
    **_columns(NOBODY, "count", spent_examples="Examples, spent", spent_tokens="Tokens, spent", spent_updates="Updates, spent"),
    **_columns(NOBODY, "number", flops="FLOP, planned", ratio="Spent over planned"),
    **_columns(NOBODY, "time", estimated_seconds="Time, planned"),
    **_columns(NOBODY, "text", job="Job", stage="Stage", code="Code", config="Config", started="Started", device="Device"),
}
COUNTED_IN_TOKENS = {"premise_cut", "hypothesis_cut", "mean_tokens", "beyond_pretraining"}
SCORED, CHANGE = "accuracy n p_holm verdict", "difference p_difference detectable finding"
THEIRS = "published published_difference comparison"
SHOWN: dict[str, str] = {
    "data": "language split rows used unusable entailment contradiction neutral premise_cut hypothesis_cut mean_tokens "
    "beyond_pretraining",
    "fertility": f"language text rows tokens_per_word group {THEIRS} published_group token_premium tokens_per_character "
    "bytes_per_token",
    "pretraining": "backbone parameters lines tokens updates seconds train_loss validation_loss validation_perplexity "
    "published_loss published",
    "hyperparameters": "variant split lr batch_size epochs examples accuracy n train_loss published_train_loss "
    f"{THEIRS} difference p_difference detectable finding published_baseline delta_difference",
    "zero_shot": f"language {SCORED} category {THEIRS} published_category public_low public_high",
    "selection": "language dev_accuracy p_holm tokens_per_word token_premium tier selected listed reason",
    "per_language": f"language zero_shot dev_accuracy accuracy n verdict {CHANGE} published_zero_shot published_dev {THEIRS} "
    "improvement_published improvement_difference",
    "regimes": f"language regime variant train examples {SCORED} {CHANGE} {THEIRS}",
    "matched": "language regime matched_on joint_examples single_examples joint_updates single_updates accuracy "
    f"single_accuracy n {CHANGE} missing",
    "differences": f"language regime other seen n {CHANGE} examples other_examples updates other_updates",
    "transfer_matrix": f"variant train language seen {SCORED}",
    "one_or_many": "regime approach models languages examples updates seconds model_bytes peak_memory_mb accuracy",
    "correlation": "regime outcome predictor rho p p_holm n published",
    "controls": f"language variant train control {SCORED} full_accuracy {CHANGE}",
    "calibration": "language variant train n ece temperature ece_tempered nll nll_tempered",
    "seeds": "variant train view split language seeds accuracy n sd lowest highest",
    "public_runs": "source setting trained_on rows language published regime accuracy n published_difference comparison",
    "literature": "language model setting published regime accuracy n comparison source",
    "costs": "variant train seed rows examples updates tokens train_loss best_epoch seconds peak_memory_mb model_bytes",
    "accuracy": f"variant train seed view split language {SCORED} greedy_accuracy invalid",
    "jobs": "job stage code config started seconds peak_memory_mb device",
    "planned": "job stage examples spent_examples tokens spent_tokens updates spent_updates flops estimated_seconds seconds "
    "ratio",
}
HERE: dict[tuple[str, str], Column] = {
    ("data", "rows"): Column("Rows", "count", OWN),
    ("fertility", "rows"): Column("Rows", "count", OWN),
    ("fertility", "published"): Column("Published", "number", NOBODY, REPORT),
    ("fertility", "published_difference"): Column("Difference to published", "offset", TABLE, REPORT),
    ("pretraining", "published"): Column("Published", "number", NOBODY, REPORT),
    **{("pretraining", name): KNOWN[name]._replace(made_by=OWN) for name in SHOWN["pretraining"].split()[1:7]},
    ("selection", "p_holm"): Column("p, Holm", "p", OWN),
    ("selection", "dev_accuracy"): Column("Dev accuracy", "accuracy", OWN),
    ("correlation", "p_holm"): Column("p, Holm", "p", TABLE),
    ("correlation", "n"): Column("Languages", "count", TABLE),
    ("correlation", "published"): Column("Published", "number", NOBODY, REPORT),
    ("public_runs", "rows"): Column("Rows", "count"),
    ("public_runs", "published"): Column("Published", "percent", NOBODY, PUBLIC),
    ("public_runs", "regime"): Column("Beside our", "text"),
    ("literature", "published"): Column("Published", "percent", NOBODY, LITERATURE),
    ("literature", "regime"): Column("Beside our", "text"),
    **{("one_or_many", name): KNOWN[name]._replace(made_by=TABLE) for name in SHOWN["one_or_many"].split()[4:]},
    ("one_or_many", "accuracy"): Column("Mean accuracy", "percent", TABLE),
    **{("planned", name): Column(f"{name.capitalize()}, planned", "count") for name in ("examples", "tokens", "updates")},
    ("planned", "seconds"): Column("Time, spent", "time"),
    **{("jobs", name): KNOWN[name]._replace(made_by=NOBODY) for name in ("seconds", "peak_memory_mb")},
}


def columns_of(name: str, beside: set[str]) -> dict[str, Column]:
    """The columns of a table, by name. beside: whose published figures are shown.

    What is said of a published figure goes with it: its difference to ours, and whether the two can be compared.
    """
    columns = {column: HERE.get((name, column), KNOWN[column]) for column in SHOWN[name].split()}
    hidden = {column for column, shown in columns.items() if shown.whose and shown.whose not in beside}
    return {
        column: shown
        for column, shown in columns.items()
        if column not in hidden and not (column == "comparison" and "published" in hidden)
    }


def made_in(table: str, column: str, made_by: str, row: Row) -> list[str]:
    """Names of the jobs that a cell may come from, the likeliest first; none for what names a row or others published."""
    parts = [row.get(part) for part in ("backbone", "method", "variant", "train")]
    seed = int(row["seed"]) if _has(row, "seed") else 0
    run = "" if any(pd.isna(part) for part in parts) else "/".join([*parts, f"seed{seed}"])
    if made_by == PREDICTION:
        return [f"predictions/{run}/{row.get('view', 'full')}", f"predictions/{run}/hypothesis", TABLE] if run else [TABLE]
    if made_by == TRAINING:
        return [f"models/{run}", TABLE] if run else [TABLE]
    if made_by == OWN and table == "data":
        half = "training" if row["split"] == "train" else "evaluation"
        stage = "tokens/full" if column in COUNTED_IN_TOKENS else "corpus"
        return [f"{stage}/{row['language']}.{half}"]
    if made_by == OWN:
        return [{"fertility": "fertility", "selection": "select", "pretraining": f"pretrain/{row.get('backbone')}"}[table]]
    return [made_by] if made_by else []


def _has(row: Row, column: str) -> bool:
    return column in row and pd.notna(row[column])
