"""What the chapter says, each sentence as strong as the test behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from carryover.analysis.comparison import HIGHER, LOWER, NO_DIFFERENCE
from carryover.analysis.statistics import POWER
from carryover.reporting.formatting import SPACE, Words, listing, number_of, signed, significant
from carryover.reporting.phrases import Tables, capital


def _compared(table: pd.DataFrame, part: str) -> pd.DataFrame:
    return table[table[f"{part}_finding"].notna()]


def _reference(table: pd.DataFrame) -> pd.DataFrame:
    """The row of the system that others are compared with; none where nothing is compared."""
    return table[table["against"].isna() & table["variant"].isin(table["against"].dropna())]


def reached(tables: Tables, words: Words) -> list[str]:
    """Which systems are better or worse than the reference in the source language, and in the mean of the others."""
    table = tables["methods"]
    base = _reference(table)
    if base.empty:
        return ["No way of adapting the model was compared with another: that needs two variants trained on the same language."]
    name, said = f"{base['variant'].iloc[0]} ({base['method'].iloc[0]})", list[str]()
    for part, where in (("source", f"in {words.source_name}"), ("others", "in the mean of the other languages")):
        rows = _compared(table, part)
        for finding, verb in ((HIGHER, "is more accurate than"), (LOWER, "is less accurate than")):
            clear = rows[rows[f"{part}_finding"] == finding].to_dict("records")
            told = [f"{row['variant']} ({_gap(row, part, words)})" for row in clear]
            if told:
                verbs = verb if len(told) == 1 else verb.replace("is", "are", 1)
                said.append(f"{capital(where)}, {listing(told)} {verbs} {name}.")
        unclear = rows[rows[f"{part}_finding"] == NO_DIFFERENCE]
        if len(unclear):
            least = f"{100 * unclear[f'{part}_detectable'].max():.{words.digits}f} points"
            said.append(
                f"There is {NO_DIFFERENCE} between {listing(list(unclear['variant']))} and {name} {where}; a true difference "
                f"of {least} would have been seen with a power of {100 * POWER:.0f}{SPACE}%."
            )
    return said


def _gap(row: dict[str, Any], part: str, words: Words) -> str:
    return words.gap({name: row[f"{part}_{name}"] for name in ("difference", "difference_low", "difference_high")})


def priced(tables: Tables, words: Words) -> list[str]:
    """What each system trains, keeps and takes, as a share of the reference's."""
    table = tables["methods"].dropna(subset=["trained_parameters"])
    base = _reference(table)
    if base.empty:
        return []
    whole, said = base.iloc[0], []
    for row in table.drop(base.index[0]).to_dict("records"):
        shares = {
            "trained weights": row["trained_parameters"] / whole["trained_parameters"],
            "the time an example": row["seconds_per_thousand"] / whole["seconds_per_thousand"],
            "the memory": row["peak_memory_mb"] / whole["peak_memory_mb"],
            "the bytes on disk": row["model_bytes"] / whole["model_bytes"],
        }
        told = [f"{significant(100 * share)}{SPACE}% of {name}" for name, share in shares.items()]
        said.append(f"{row['variant']} ({row['method']}) takes {listing(told)} of {whole['variant']}.")
    return [*said, "Training jobs may have shared the machine with others, so that times say little where it was busy."]


def best_buys(tables: Tables, words: Words) -> list[str]:
    """What stands on the frontier of accuracy and each price."""
    table, named = tables["methods"], {"trained_parameters": "trained weights", "seconds_per_thousand": "training time"}
    named |= {"peak_memory_mb": "memory", "model_bytes": "bytes on disk"}
    found = {
        what: list(table[table[f"frontier_{price}"].fillna(value=False).astype(bool)]["variant"]) for price, what in named.items()
    }
    told = [f"{what}: {listing(names)}" for what, names in found.items() if names]
    return [f"No other is both as accurate in {words.source_name} and as cheap, by {'; by '.join(told)}."] if told else []


def forgotten(tables: Tables, words: Words) -> list[str]:
    """What tuning cost the model on text of the source language, and which systems forgot less than the reference."""
    table = tables["forgetting"]
    if table.empty:
        return ["What tuning forgot was not asked (likelihood.variants)."]
    said = []
    for row in table.to_dict("records"):
        ends = signed(f"{row['forgotten']:+.3f} [{row['forgotten_low']:+.3f} to {row['forgotten_high']:+.3f}]")
        said.append(f"{row['variant']}: {ends}")
    told = f"Bits per byte of {words.source_name} sentences, after minus before tuning: {'; '.join(said)}."
    less = list(table[table["finding"] == LOWER]["variant"])
    more = list(table[table["finding"] == HIGHER]["variant"])
    parts = [f"{listing(names)} forgot {word} than the reference" for names, word in ((less, "less"), (more, "more")) if names]
    tested = table["finding"].notna().any()
    rest = [f"{listing(parts)} (Holm's correction)."] if parts else ["No difference to the reference is clear."] if tested else []
    return [told, *rest]


def costs_others_more(tables: Tables, words: Words) -> list[str]:
    """Whether a method costs other languages more than the source language, for each system."""
    table, said = tables["unequal"], []
    if table.empty:
        return ["Whether a method costs other languages more cannot be said: no two systems were asked the same rows there."]
    floor = list(dict.fromkeys(table[~table["reference_above_chance"].astype(bool)]["language"]))
    if floor:
        said.append(f"In {words.languages(floor)} the reference itself is not above chance, so that there is nothing to lose.")
    for variant, rows in table[table["finding"].notna()].groupby("variant", sort=False):
        lost, won = rows[rows["finding"] == LOWER], rows[rows["finding"] == HIGHER]
        if lost.empty and won.empty:
            least = f"{100 * rows['detectable'].max():.{words.digits}f} points"
            said.append(
                f"There is no evidence that {variant} costs any of {number_of(len(rows), 'other language')} more or less than "
                f"{words.source_name}; {least} would have been seen with a power of {100 * POWER:.0f}{SPACE}%."
            )
        for some, word in ((lost, "more"), (won, "less")):
            if len(some):
                told = [f"{words.language(row['language'])} ({words.gap(row)})" for row in some.to_dict("records")]
                said.append(f"Against the reference, {variant} costs {word} than in {words.source_name} in {listing(told)}.")
    return said


def with_premium(tables: Tables, words: Words) -> list[str]:
    """Whether what a method costs beyond the source language goes with the token premium, for each system."""
    said = []
    for row in tables["premium"].dropna(subset=["rho"]).to_dict("records"):
        clear = row["p_holm"] < 1 - words.confidence
        told = f"ρ {row['rho']:.2f} [{row['low']:.2f} to {row['high']:.2f}] over {number_of(int(row['n']), 'language')}"
        verb = "goes with" if clear else "does not clearly go with"
        said.append(signed(f"What {row['variant']} costs beyond {words.source_name} {verb} the token premium ({told})."))
    return said


def limits(tables: Tables, words: Words) -> list[str]:
    """What the comparison cannot say."""
    return [
        "Every variant has its own learning rate, set in the config: what is worse here may be worse at this rate alone.",
        "A method that saves a whole model is counted with all its bytes, also of weights that did not change.",
        "Peak memory is that of the process, data and libraries included; on small models these outweigh what a method saves.",
    ]
