"""Sentences that describe: data, tokeniser, pretraining, settings, published figures, selection, controls, costs, limits.

Each function gets the tables and returns its sentences, as those of `chapters.transfer.sentences` do.
"""

from __future__ import annotations

import pandas as pd

from carryover.analysis.comparison import NO_DIFFERENCE
from carryover.analysis.published import COMPARABLE, NOT_COMPARABLE, NOTHING
from carryover.reporting.formatting import SPACE, Words, duration, listing, number_of, signed, size, whole
from carryover.reporting.phrases import Tables, capital, changes, power, rows, verdict
from chapters.transfer.references import MEAN


def data(tables: Tables, words: Words) -> list[str]:
    """How much text there is, and what was left out or cut."""
    table = tables["data"]
    if table.empty:
        return []
    said = []
    for split, name in (("train", "training"), ("dev", "dev"), ("test", "test")):
        used = table[table["split"] == split]
        if len(used):
            counts = sorted(set(used["used"].astype(int)))
            amount = whole(counts[0]) if len(counts) == 1 else f"{whole(counts[0])} to {whole(counts[-1])}"
            said.append(
                f"{capital(name)} text has {amount} rows in {'each of ' if len(used) > 1 else ''}"
                f"{number_of(len(used), 'language')}."
            )
    unusable = int(table["unusable"].sum())
    said.append(f"{number_of(unusable, 'row')} could not be used." if unusable else "Every row could be used.")
    cut, lost = int(table["premise_cut"].sum()), int(table["hypothesis_cut"].sum())
    if "alone" in words.terms:
        whose = f"the {words.term('cluster')} of {number_of(cut, 'prompt')} and the {words.term('alone')} of {whole(lost)}"
        said.append(f"Truncation cut {whose}; never a label.")
    beyond = table.dropna(subset=["beyond_pretraining"]).sort_values("beyond_pretraining")
    if len(beyond) and beyond["beyond_pretraining"].max() > 0:
        most = beyond.iloc[-1]
        share = f"{words.percent(most['beyond_pretraining'])} in the {most['split']} text of {words.language(most['language'])}"
        said.append(f"Some prompts are longer than any that toy pretraining saw: up to {share}.")
    return said


def tokeniser(tables: Tables, words: Words) -> list[str]:
    """Of each tokeniser the cheapest and the dearest language, and how the published fertility is met."""
    said: list[str] = []
    names = list(dict.fromkeys(tables["fertility"]["tokenizer"]))
    for name in names:
        told = _one_tokeniser(tables["fertility"][tables["fertility"]["tokenizer"] == name], words)
        said += [f"The tokeniser {name}:", *told] if told and len(names) > 1 else told
    return said


def _one_tokeniser(table: pd.DataFrame, words: Words) -> list[str]:
    premium = (
        table[(table["text"] == "dev") & (table["language"] != words.source)]
        .dropna(subset=["token_premium"])
        .sort_values("token_premium")
    )
    said = []
    if len(premium):
        low, high = premium.iloc[0], premium.iloc[-1]
        said.append(
            f"The same sentences take {low['token_premium']:.2f} times as many tokens as {words.source_name} in "
            f"{words.language(low['language'])} "
            f"and {high['token_premium']:.2f} times as many in {words.language(high['language'])}."
        )
    train = table[table["text"] == "train"]
    grouped = [(group, list(train[train["group"] == group]["language"])) for group in ("Low", "Medium", "High")]
    if len(train):
        told = "; ".join(f"{group.lower()} in {words.languages(codes)}" for group, codes in grouped if codes)
        said.append(f"Tokens per word of training text are {told}.")
    published = train.dropna(subset=["published_difference"])
    if len(published):
        close = int((published["published_difference"].abs() < 0.0051).sum())
        same = int((published["group"] == published["published_group"]).sum())
        largest = published["published_difference"].abs().max()
        said.append(
            f"Published values of tokens per word on training text are met to two decimals for {close} of "
            f"{len(published)} languages (largest difference {largest:.3f}), and the published groups for {same}."
        )
    return said


def pretraining(tables: Tables, words: Words) -> list[str]:
    """What toy pretraining reached."""
    said = []
    for row in tables["pretraining"].to_dict("records"):
        said.append(
            f"{capital(row['model'])} ({whole(row['parameters'])} parameters) was pretrained on {whole(row['lines'])} lines, "
            f"{whole(row['tokens'])} tokens, in {whole(row['updates'])} updates. On text that it has not seen its loss is "
            f"{row['validation_loss']:.2f} nats per token, a perplexity of {row['validation_perplexity']:,.1f}."
        )
        said.append(
            f"The quantity that was published, a running mean over all updates with padding counted (here at a loss of 0, since "
            f"it is not trained on), is "
            f"{row['published_loss']:.2f} here and {row['public_low']:.2f} to {row['public_high']:.2f} in "
            f"{int(row['public_runs'])} public runs on their text; it is no measure of a model."
        )
    for row in tables["parity"].to_dict("records"):
        outcome = "equal" if row["passed"] else "differ from"
        said.append(
            f"Hidden states of {row['model']} {outcome} those of transformers {row['transformers']} within "
            f"{signed(format(row['tolerance'], '.2g'))} (largest difference {signed(format(row['max_difference'], '.2g'))})."
        )
    return said or ["This study pretrained nothing: its model was downloaded."]


def expected(tables: Tables, words: Words) -> list[str]:
    """Where the source language's best model lies among the public settings, a public toy model, and a classification head."""
    ours = rows(tables["hyperparameters"], split="test")
    public = tables["public_runs"]
    public = public[(public["language"] == words.source) & (public["trained_on"] == words.source)]
    public = public[public["rows"] == public["rows"].max()]
    if public.empty or not ours:
        return []
    best = max(ours, key=lambda row: row["accuracy"])
    small = public["setting"].str.contains("tiny")
    marks = [(f"GPT-2 124M in {len(public[~small])} public runs of any setting", public[~small])]
    marks.append((f"a public toy model ({listing(list(public[small]['setting']))})", public[small]))
    head = tables["literature"]
    head = head[head["setting"] == "English MNLI"]
    marks += [(name, head[head["published_model"] == name]) for name in head["published_model"]]
    said = []
    for name, entries in marks:
        if entries.empty:
            continue
        low, high = entries["published"].min(), entries["published"].max()
        place = "below" if best["high"] < low else "above" if best["low"] > high else "compatible with"
        reached = words.percent(high) if low == high else f"{words.number(low)} to {words.percent(high)}"
        said.append(f"{place} the {reached} of {name}")
    stands = rows(tables["zero_shot"], language=words.source)  # whose reason, where there is one, holds for the whole study
    reasons = [row["comparison"] for row in (*stands, best) if row["comparison"] != COMPARABLE]
    rest = f" That is no like-for-like comparison: {_reason(reasons[0])}." if reasons else ""
    return [f"The best {words.source_name} model here ({best['variant']}, {words.short(best)}) lies {listing(said)}.{rest}"]


def _reason(comparison: str) -> str:
    return comparison.removeprefix(f"{NOT_COMPARABLE}: ").replace(NOTHING, "no public run has its setting")


def literature(tables: Tables, words: Words) -> list[str]:
    """How far models pretrained on many languages come without further training."""
    table = tables["literature"]
    others = table[
        (table["setting"] == "zero-shot") & (table["language"] != words.source) & ~table["published_model"].str.contains("dev")
    ]
    if others.empty:
        return []
    means = others.groupby("published_model", sort=False)["published"].mean().sort_values()
    told = listing([f"{name} {words.percent(mean)}" for name, mean in means.items()])
    count = others.groupby("published_model")["language"].nunique().max()
    return [
        f"Models pretrained on many languages carry over further: the published zero-shot means over {count} other languages "
        f"are {told}. They are other models, so no difference is given."
    ]


def improvement(tables: Tables, words: Words) -> list[str]:
    """The mean gain of models of single languages, ours and the report's."""
    said = []
    for row in rows(tables["per_language"], language=MEAN):
        theirs = words.points(row["improvement_published"])
        text = f"The mean gain over zero-shot is {words.gap(row)}; the published report's is {theirs}"
        if row["improvement_comparison"] == COMPARABLE:
            low, high = (words.points(row[f"improvement_{end}"]) for end in ("low", "high"))
            text += f", a difference of {words.points(row['improvement_difference'])} points [{low} to {high}]"
        else:
            text += f", {row['improvement_comparison'].replace(':', ' (', 1).replace('( ', '(')})"
        said.append(text + ".")
    return said


def settings(tables: Tables, words: Words) -> list[str]:
    """Which variants of the recipe differ from the baseline on the source language's test set."""
    found = rows(tables["hyperparameters"], split="test")
    changed = [row for row in found if isinstance(row["finding"], str)]
    if len(found) < 2 or not changed:
        return [f"{words.source_name} was fine-tuned in one setting, so settings cannot be compared."] if found else []
    said = []
    for row in changed:
        if row["finding"] == NO_DIFFERENCE:
            seen = power(100 * row["detectable"], words)
            said.append(f"The variant {row['variant']}: {words.gap(row)} against the baseline, {NO_DIFFERENCE}; {seen}.")
        else:
            said.append(f"The variant {row['variant']} is {row['finding']} than the baseline ({words.gap(row)}).")
    return said


def selection(tables: Tables, words: Words) -> list[str]:
    """The proposal, and the list that the study trains."""
    table = tables["selection"]
    if table.empty:
        return ["No proposal was made."]
    chosen = [row["language"] for row in rows(table, selected=True)]
    trained = [row["language"] for row in rows(table, listed=True)]
    said = [f"The proposal is to train {words.languages(chosen)}." if chosen else "The proposal is to train no further language."]
    if set(chosen) == set(trained):
        return [*said, "That is the list which this study trains."]
    return [*said, f"The study's own list is {words.languages(trained)}."]


def controls(tables: Tables, words: Words) -> list[str]:
    """How much of the accuracy in the source language needs the whole of a row."""
    table = tables["controls"]
    said = []
    of_source = {row["control"]: row for row in rows(table, train=words.source, language=words.source)}
    if (row := of_source.get("majority")) is not None:
        said.append(f"Always answering with the commonest label scores {words.percent(row['accuracy'])} in {words.source_name}.")
    if "alone" not in words.terms:  # a task without such controls
        return said
    cluster, alone = words.term("cluster"), words.term("alone")
    if (row := of_source.get("hypothesis only")) is not None:
        said.append(
            f"A model trained and tested on the {words.source_name} {alone} alone reaches {words.stated(row)}: "
            f"{verdict(row, words)}."
        )
        said += changes("the full model", "that control", [row], words)
    else:
        said.append(f"No model was trained on the {alone} alone, so what needs no {cluster} is not known.")
    if (row := of_source.get("premises shuffled")) is not None:
        name, clusters = words.source_name, words.term("clusters")
        said.append(f"With the {clusters} of other rows the {name} model scores {words.stated(row)} in {name}.")
        said += changes(f"the same model with its own {clusters}", "that control", [row], words)
    else:
        said.append(f"The model was not tested with shuffled {words.term('clusters')}.")
    return said


def calibrated(tables: Tables, words: Words) -> list[str]:
    """How far the confidence of the model of the source language is from its accuracy."""
    found = rows(tables["calibration"], train=words.source, language=words.source)
    if not found:
        return []
    row = found[0]
    error = f"{words.percent(row['ece'])} [{words.ends(row, 'ece_low', 'ece_high')}]"
    name, count = words.source_name, f"n{SPACE}={SPACE}{whole(row['n'])}"
    said = f"The expected calibration error of the {name} model in {name} is {error} ({count})"
    if pd.notna(row["ece_tempered"]):
        after = f"{words.percent(row['ece_tempered'])} [{words.ends(row, 'ece_tempered_low', 'ece_tempered_high')}]"
        said += f"; with a temperature of {row['temperature']:.2f}, fitted on dev, it is {after}"
    return [said + "."]


def greedy(tables: Tables, words: Words) -> list[str]:
    """The handout's own metric, next to the restricted one."""
    found = rows(tables["zero_shot"], language=words.source)
    if not found:
        return []
    row, worst = found[0], tables["zero_shot"].sort_values("invalid").iloc[-1]
    exact = words.percent(row["greedy_accuracy"])
    said = f"Scored as the handout does, by the most likely token of the whole vocabulary, {words.source_name} is {exact}"
    most = f"answers that are no label at all are {words.percent(row['invalid'])} in {words.source_name}"
    return [
        f"{said} (n{SPACE}={SPACE}{whole(row['n'])}); {most} and at most {words.percent(worst['invalid'])} "
        f"({words.language(worst['language'])})."
    ]


def costs(tables: Tables, words: Words) -> list[str]:
    """One model against many, in disk, memory and time."""
    said = []
    table = tables["one_or_many"]
    for regime in dict.fromkeys(table["regime"]):
        one, many = (rows(table, regime=regime, approach=approach)[0] for approach in ("one model", "many models"))
        number = number_of(int(many["models"]), "single model")
        said.append(
            f"For {words.languages(one['languages'].split())}, one {regime} takes {size(one['model_bytes'])} on disk and "
            f"{whole(one['peak_memory_mb'])} MiB of memory, and was trained in {duration(one['seconds'])} on "
            f"{whole(one['examples'])} examples; {number} take {size(many['model_bytes'])}, at most "
            f"{whole(many['peak_memory_mb'])} MiB at a time, and {duration(many['seconds'])} on {whole(many['examples'])} "
            f"examples. Their mean accuracies over these languages are {words.percent(one['accuracy'])} and "
            f"{words.percent(many['accuracy'])}; the table of differences has each language with its interval."
        )
    return said


def limits(tables: Tables, words: Words) -> list[str]:
    """What the results cannot say."""
    found = tables["zero_shot"]["comparison"]
    reasons = sorted({reason for reason in found if reason not in (COMPARABLE, NOTHING)})
    said = [f"Published accuracies are shown but not compared: {_reason(reason)}." for reason in reasons]
    if tables["seeds"].empty:
        chosen = f"the choice of test {words.term('clusters')}"
        said.append(f"Every model was trained with one seed: intervals cover {chosen}, not the luck of training.")
    return [
        *said,
        "Training text is machine-translated, test text is translated by people, and both come from English.",
        "A published figure is taken as a fixed number; its own sampling error is not known.",
        "Correlations over so few languages, many of them related, say little about languages that are not here.",
    ]
