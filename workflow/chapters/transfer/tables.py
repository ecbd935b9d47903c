"""The tables of the chapter: one function each, from what a study left behind to rows. Each accuracy has its n and interval.

Every table is always written; one without rows has only its header, so that what a study lacks shows as an empty table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from carryover.analysis import published, statistics
from carryover.analysis.comparison import compare, judge, judge_differences, score
from carryover.analysis.predictions import Cell
from carryover.analysis.study import OWN, ZERO_SHOT, Group, Study
from carryover.planning.paths import NOTHING, System
from chapters.transfer.sources import TransferStudy

GROUP = list(Group._fields)
RUN = list(System._fields)
SCORE = ["n", "clusters", "accuracy", "low", "high", "chance", "p_chance", "p_holm", "verdict", "constant"]
GREEDY = ["greedy_accuracy", "invalid"]
DIFFERENCE = [
    "difference",
    "difference_low",
    "difference_high",
    "only_this",
    "only_other",
    "p_mcnemar",
    "p_difference",
    "detectable",
    "finding",
]
PUBLISHED = ["published", "published_difference", "published_low", "published_high", "comparison"]
SPENT = ["rows", "examples", "updates"]
WHOLE = {
    *("n", "clusters", "seed", "seeds", "only_this", "only_other", "rows", "examples", "updates", "tokens", "parameters"),
    *("model_bytes", "words", "characters", "bytes", "count", "used", "unusable", "premise_cut", "hypothesis_cut", "models"),
    *("lines", "positions_seen", "public_runs", "other_examples", "other_updates", "batch_size"),
    *("joint_examples", "single_examples", "joint_updates", "single_updates"),
}  # columns of whole numbers, which stay whole where fields are empty


def frame(rows: Iterable[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a table with exactly these columns; what a row lacks is empty."""
    table = pd.DataFrame(list(rows), columns=columns)
    return table.astype({name: "Int64" for name in columns if name in WHOLE})


def facts(system: System, cell: Cell | None = None) -> dict[str, Any]:
    """What identifies a row's system, the task that it was asked, and its seeds where they are taken together."""
    if cell is None:
        return system._asdict()
    return system._asdict() | {"task": cell.evaluation_set.task, "seeds": len(cell.seeds), "seed": cell.seeds[0]}


def accuracy(study: Study) -> pd.DataFrame:
    """Every prediction file: one model, one seed, one view, one split, one language. Holm over its languages."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for (system, asked), cell in study.task_cells().items():
        for place, seed in enumerate(cell.seeds):
            one = cell.one_seed(place)
            binomial = statistics.binomial_p(one.correct.sum(), len(one), one.chance)
            row = facts(system, one) | asked._asdict() | {"seed": seed} | score(one, study.settings) | {"p_binomial": binomial}
            families.setdefault((system, seed, asked.view, asked.split), []).append(row)
    for rows in families.values():
        judge(rows, study.settings)
    columns = [*RUN, "seed", "view", "split", "language", *SCORE, "p_binomial", *GREEDY]
    return frame((row for rows in families.values() for row in rows), columns)


def seeds(study: Study) -> pd.DataFrame:
    """Models with several seeds: mean, standard deviation over seeds, and the interval over seeds and clusters."""
    rows = []
    for (system, asked), cell in study.task_cells().items():
        if len(cell.seeds) > 1:
            each = cell.correct.mean(axis=1)
            spread = {"sd": float(each.std(ddof=1)), "lowest": float(each.min()), "highest": float(each.max())}
            rows.append(facts(system, cell) | asked._asdict() | score(cell, study.settings) | spread)
    columns = [*RUN, "view", "split", "language", "seeds", "n", "clusters", "accuracy", "low", "high", "sd", "lowest", "highest"]
    return frame(rows, columns)


def zero_shot(study: Study) -> pd.DataFrame:
    """The model of the source language on every language, with the report's categories and what other public runs found."""
    bounds = study.config["zero_shot_categories"]
    table = []
    for group in study.groups():
        rows = []
        for language in study.languages:
            system = study.zero_shot(group)
            if system is None or (cell := study.cell(system, language)) is None:
                continue
            row = facts(system, cell) | {"language": language} | score(cell, study.settings)
            row["tokenizer"] = study.tokenizer_of(group.model)
            row["category"] = _category(row["accuracy"], bounds)
            others = published.zero_shot(study.published, language, study.config["published_as"][group.model], group.method)
            if others["published"] is not None:
                row["published_category"] = _category(others["published"], bounds)
            spent = (study.record(system).get("rows"), published.expected_english(study.published)[3])
            reason = study.incomparable_with(group, others["published_model"], others["published_method"])
            rows.append(row | others | published.compare_published(row, others["published"], reason, spent))
        judge(rows, study.settings)
        table += rows
    columns = [*RUN, "tokenizer", "seeds", "language", *SCORE, *GREEDY, "category", "published_category", *PUBLISHED]
    return frame(table, [*columns, "published_model", "public_low", "public_high", "public_runs"])


def _category(accuracy: float, bounds: dict[str, float]) -> str:
    """The report's category, by this study's cut-offs."""
    return next((name for name in ("good", "moderate") if accuracy >= bounds[name]), "poor")


def fertility(study: Study) -> pd.DataFrame:
    """Tokens per word, character and byte, the report's groups by this study's cut-offs, and the published values.

    Intervals are normal, from the standard errors that the fertility stage counted over sentences. The published fertility
    was counted on training text, so it is compared with that alone.
    """
    bounds, far = study.config["fertility_groups"], statistics.normal_quantile(study.settings.confidence)
    order = {language: place for place, language in enumerate(study.languages)}
    table = study.fertility[study.fertility["language"].isin(order)].assign(task=study.task)
    rows = []
    for row in sorted(table.to_dict("records"), key=lambda row: (row["tokenizer"], row["text"], order[row["language"]])):
        words = row["tokens_per_word"]
        row["group"] = "Low" if words < bounds["low"] else "Medium" if words < bounds["medium"] else "High"
        for name, measure in (("word", "tokens_per_word"), ("premium", "token_premium")):
            reach = far * row[f"{measure}_se"]
            row |= {f"{name}_low": row[measure] - reach, f"{name}_high": row[measure] + reach}
        if row["text"] == "train":
            row |= published.fertility(study.published, row, study.config["fertility_not_comparable_because"][row["tokenizer"]])
        rows.append(row)
    columns = [
        *("tokenizer", "task", "language", "text", "rows", "words", "tokens", "characters", "bytes"),
        *("tokens_per_word", "word_low", "word_high"),
        *("tokens_per_character", "bytes_per_token", "token_premium", "premium_low", "premium_high", "group"),
        *("published", "published_group", "published_difference", "published_low", "published_high", "comparison"),
    ]
    return frame(rows, columns)


def regimes(study: Study) -> pd.DataFrame:
    """Each language under each regime, with its difference to zero-shot. Holm over the languages of a regime."""
    families: dict[tuple[Group, str], list[dict[str, Any]]] = {}
    for group in study.groups():
        for language in study.languages:
            for regime, system in study.regimes(group, language):
                if (cell := study.cell(system, language)) is not None:
                    row = facts(system, cell) | {"regime": regime, "language": language, "cell": cell}
                    families.setdefault((group, regime), []).append(row)
    for (group, regime), rows in families.items():
        for row in rows:
            _fill_regime(study, group, regime, row, len(rows))
        judge(rows, study.settings)
        judge_differences([row for row in rows if "p_mcnemar" in row], study.settings)
    columns = [*RUN, "regime", "language", "seeds", *SPENT, "seen", *SCORE, *GREEDY, *DIFFERENCE, *PUBLISHED]
    return frame((row for rows in families.values() for row in rows), columns)


def _fill_regime(study: Study, group: Group, regime: str, row: dict[str, Any], comparisons: int) -> None:
    cell, language = row["cell"], row["language"]
    trained = study.trained_on(row["train"])
    record = study.record(cell.system)
    row |= {"seen": language in trained} | {name: record.get(name) for name in SPENT}
    row |= score(cell, study.settings)
    baseline = study.cell(study.zero_shot(group), language)
    if regime != ZERO_SHOT and baseline is not None:
        row |= compare(cell, baseline, study.settings, comparisons)
    reason = study.incomparable_with(group)
    if regime == ZERO_SHOT:
        found = published.zero_shot(study.published, language, study.config["published_as"][group.model], group.method)
        reason = study.incomparable_with(group, found["published_model"], found["published_method"])
        reference = found["published"]
        theirs: int | None = published.expected_english(study.published)[3]
    elif regime == OWN:
        reference, theirs = published.own_model(study.published, language)
    else:
        reference, theirs = published.joint_model(study.published, language, trained)
        theirs = theirs * len(trained) if theirs is not None else None
    row |= published.compare_published(row, reference, reason, (record.get("rows"), theirs))


def transfer_matrix(study: Study) -> pd.DataFrame:
    """Trained on by tested on: the model that stands for each training text, and the pretrained model as it is."""
    rows = []
    for model in study.models():
        found = [study.as_it_is(model)]
        for group in (group for group in study.groups() if group.model == model):
            trains = sorted({system.train for system in study.systems("full", group)}, key=lambda name: _order(study, name))
            found += [study.stands_for(group, train) for train in trains]
        for system in filter(None, found):
            family = []
            for language in study.languages:
                if (cell := study.cell(system, language)) is not None:
                    seen = {"seen": system.method != NOTHING and language in study.trained_on(system.train)}
                    family.append(facts(system, cell) | {"language": language} | seen | score(cell, study.settings))
            judge(family, study.settings)
            rows += family
    return frame(rows, [*RUN, "seeds", "language", "seen", *SCORE])


def _order(study: Study, train: str) -> tuple[int, int, str]:
    """The source language first, then single languages in the report's order, then lists by their length."""
    languages = study.trained_on(train)
    place = study.languages.index(train) if train in study.languages else len(study.languages)
    return (0 if train == study.source else len(languages), place, train)


def costs(study: Study) -> pd.DataFrame:
    """What each run saw, took and left on the disk."""
    rows = []
    for (system, seed), record in sorted(study.training.items()):
        spent = {name: record.get(name) for name in ("tokens", "parameters", "seconds", "model_bytes", "peak_memory_mb")}
        spent |= {name: record.get(name) for name in (*SPENT, "train_loss", "best_epoch")}
        rows.append(facts(system) | {"seed": seed, "languages": " ".join(record.get("languages", []))} | spent)
    columns = [
        *(*RUN, "seed", "languages", *SPENT, "tokens", "parameters"),
        *("best_epoch", "train_loss", "seconds", "peak_memory_mb", "model_bytes"),
    ]
    return frame(rows, columns)


def one_or_many(study: Study) -> pd.DataFrame:
    """Each joint model against the models of its single languages together: the same languages, one model or many.

    `languages` are those of the joint model that have a model of their own (the source language: the zero-shot model);
    `accuracy` is the mean over them, without an interval since it averages different tests.
    """
    rows = []
    for group in study.groups():
        among = study.joint_systems(group)
        for joint in among:
            single = {
                language: system
                for language in study.trained_on(joint.train)
                if (system := study.stands_for(group, language)) and study.cell(system, language)
            }
            if single and study.record(joint) and all(study.record(system) for system in single.values()):
                for approach, systems in (("one model", dict.fromkeys(single, joint)), ("many models", single)):
                    named = group._asdict() | {"regime": study.joint_name(joint, among), "approach": approach}
                    rows.append(named | _spent(study, systems))
    columns = [
        *(*GROUP, "regime", "approach", "models", "languages", "rows", "examples", "updates"),
        *("seconds", "model_bytes", "peak_memory_mb", "accuracy"),
    ]
    return frame(rows, columns)


def _spent(study: Study, systems: dict[str, System]) -> dict[str, Any]:
    records = [study.record(system) for system in set(systems.values())]
    totals = {name: sum(record.get(name) or 0 for record in records) for name in (*SPENT, "seconds", "model_bytes")}
    cells = [study.cell(system, language) for language, system in systems.items()]
    reached = [float(cell.correct.mean()) for cell in cells if cell is not None]
    return totals | {
        "models": len(records),
        "languages": " ".join(systems),
        "peak_memory_mb": max(record.get("peak_memory_mb") or 0 for record in records),
        "accuracy": sum(reached) / len(reached) if reached else None,
    }


def data(study: TransferStudy) -> pd.DataFrame:
    """Rows of each language and split, labels, and what truncation cut in the full view."""
    full = [one for one in study.records.tokens if one["view"] == "full"]
    cut = {(one["language"], split): facts for one in full for split, facts in one["splits"].items()}
    order = {language: place for place, language in enumerate(study.languages)}
    names = study.config["labels"][study.task]
    rows = []
    for one in sorted(study.records.corpus, key=lambda one: order.get(one["language"], -1)):
        for split, counts in one["splits"].items():
            labels = dict(zip(names, counts["targets"], strict=True)) if names else {}
            tokenised = cut.get((one["language"], split), {})
            made_of = {"task": study.task, "tokenizer": study.tokenizer_of(study.config["model"])}
            rows.append(tokenised | counts | labels | made_of | {"language": one["language"], "split": split})
    columns = [
        *("task", "tokenizer", "language", "split", "rows", "used", "unusable", *names),
        *("premise_cut", "hypothesis_cut", "mean_tokens", "beyond_pretraining"),
    ]
    return frame(rows, columns).astype(dict.fromkeys(names, "Int64"))


def pretraining(study: TransferStudy) -> pd.DataFrame:
    """Pretraining of each model, its validation loss and the quantity that was published."""
    figures = study.published["pretraining"]
    others = {
        "published": published.value(figures, "global_average_train_loss", source=published.REPORT),
        "public_low": figures["global_average_train_loss"].min(),
        "public_high": figures["global_average_train_loss"].max(),
        "public_runs": len(figures),
    }
    columns = [
        *("model", "parameters", "lines", "tokens", "updates", "seconds", "positions_seen"),
        *("train_loss", "validation_loss", "validation_perplexity", "published_loss"),
        *others,
    ]
    records = sorted(study.records.pretraining.items())
    return frame(({"model": name} | record | others for name, record in records), columns)


def pretraining_curves(study: TransferStudy) -> pd.DataFrame:
    """Loss over the updates of pretraining, and validation loss at each epoch's end."""
    curves = [table.assign(model=name) for name, table in study.records.pretraining_curves.items()]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["model", "step", "loss"])


def finetuning_curves(study: TransferStudy) -> pd.DataFrame:
    """Loss over the updates of each fine-tuning run."""
    return study.records.finetuning_curves


def generations(study: TransferStudy) -> pd.DataFrame:
    """What each model writes after each prompt, the models of a prompt one below the other."""
    rows = list(study.records.generations)
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    rows.sort(key=lambda row: prompts.index(row["prompt"]))
    return frame(rows, ["prompt", "model", "chosen", "stopped_by", "continuation"])


def selection(study: TransferStudy) -> pd.DataFrame:
    """The proposal which languages to train, and those that the study lists for training."""
    proposal = study.records.proposal
    columns = [
        *("language", "dev_accuracy", "low", "high", "p_holm", "tokens_per_word", "token_premium"),
        *("tier", "selected", "listed", "reason"),
    ]
    if proposal is None:
        return frame([], columns)
    return frame((row | {"listed": row["language"] in proposal["listed"]} for row in proposal["languages"]), columns)


def parity(study: TransferStudy) -> pd.DataFrame:
    """Our hidden states against those of the reference library, for each model."""
    return frame(study.records.parity, ["model", "max_difference", "tolerance", "transformers", "passed"])
