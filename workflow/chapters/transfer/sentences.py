"""Sentences that state results, made from the tables: what carried over, what fine-tuning bought, what predicts it.

A function gets the chapter's tables (as read from their CSV files), most of them the rows of one model alone (`each_model_of`
in chapter.yaml), and returns its sentences; none where the study has nothing to say there, or one that says what is missing.
"""

from __future__ import annotations

import pandas as pd

from carryover.analysis.claims import CONTRADICTED, SUPPORTED, UNDECIDED
from carryover.analysis.comparison import ABOVE, NO_DIFFERENCE, NO_EVIDENCE
from carryover.analysis.study import JOINT, OWN, ZERO_SHOT
from carryover.reporting.formatting import SPACE, Words, listing, number_of, p_value, signed, whole
from carryover.reporting.phrases import Row, Tables, capital, changes, constants, rho, rows, verdict
from chapters.transfer.equal_effort import EXAMPLES, UPDATES

PREDICTOR_NAMES = {
    "token_premium": "token premium",
    "tokens_per_word": "tokens per word",
    "tokens_per_character": "tokens per character",
    "bytes_per_token": "bytes per token",
    "bits_per_sentence": "bits per parallel sentence",
}


def source(tables: Tables, words: Words) -> list[str]:
    """What the model reached in the language that it was trained on, and where that lies among public runs."""
    found = rows(tables["zero_shot"], language=words.source)
    if not found:
        return [f"No model of this study was fine-tuned on {words.source_name} and tested in it."]
    row = found[0]
    spent = rows(tables["regimes"], language=words.source, regime=ZERO_SHOT)[0]["examples"]
    seen = f" on {whole(spent)} examples" if pd.notna(spent) else ""
    over = f", the mean of {row['seeds']} seeds" if row["seeds"] > 1 else ""
    name = words.source_name
    text = f"Fine-tuned{seen} in {name} (variant {row['variant']}), {row['model']} answers {words.stated(row)} of the {name} "
    return [f"{text}test rows rightly{over}: {verdict(row, words)}.", *_public_range(row, words)]


def _public_range(row: Row, words: Words) -> list[str]:
    if pd.isna(row["public_low"]):
        return []
    span = f"{words.number(row['public_low'])} to {words.percent(row['public_high'])}"
    runs = f"{number_of(int(row['public_runs']), 'public run')} of {row['published_model']} on all of XNLI reached {span}"
    if row["comparison"] != "comparable":
        return [
            f"{capital(runs)}; that is not comparable with this study ({row['comparison'].removeprefix('not comparable: ')})."
        ]
    if row["low"] <= row["public_high"] and row["high"] >= row["public_low"]:
        return [f"{capital(runs)}, with which the interval here is compatible."]
    return [f"{capital(runs)}; the interval here lies {'below' if row['high'] < row['public_low'] else 'above'} that range."]


def zero_shot(tables: Tables, words: Words) -> list[str]:
    """In which other languages the model of the source language is above chance, and in which there is no evidence."""
    others = [row for row in tables["zero_shot"].to_dict("records") if row["language"] != words.source]
    if not others:
        return [f"No {words.source_name} model was tested in another language."]
    above = sorted((row for row in others if row["verdict"] == ABOVE), key=lambda row: -row["accuracy"])
    silent = [row["language"] for row in others if row["verdict"] == NO_EVIDENCE]
    total = f"the {len(others)} other languages" if len(others) > 1 else "the one other language"
    if above:
        reached = listing([f"{words.language(row['language'])} {words.short(row)}" for row in above])
        said = [f"Without further training it is above chance in {len(above)} of {total}: {reached}."]
    else:
        said = [f"Without further training there is no evidence above chance in any of {total}."]
    if silent and above:
        said.append(f"There is {NO_EVIDENCE} in {words.languages(silent)}.")
    return said + constants(others, words)


def retention(tables: Tables, words: Words) -> list[str]:
    """How much of its lead over chance in the source language its model keeps, in the best and the worst language."""
    found = rows(tables["retention"], regime=ZERO_SHOT)
    kept = sorted((row for row in found if pd.notna(row["share"])), key=lambda row: -row["share"])
    if not kept:
        return [f"How much of the lead is kept cannot be said: {found[0]['refused']}."] if found else []
    most, least = (
        f"{words.percent(row['share'])} [{words.ends(row, 'share_low', 'share_high')}] in {words.language(row['language'])}"
        for row in (kept[0], kept[-1])
    )
    if len(kept) == 1:
        return [f"Of its lead over chance in {words.source_name} it keeps {most}."]
    return [f"Of its lead over chance in {words.source_name} it keeps most, {most}, and least, {least}."]


def own_models(tables: Tables, words: Words) -> list[str]:
    """What fine-tuning in a language itself buys over zero-shot."""
    found = rows(tables["regimes"], regime=OWN)
    if not found:
        return [f"No model was fine-tuned on a single language other than {words.source_name}."]
    said = changes("a model of the language's own", "zero-shot transfer", found, words)
    silent = [row["language"] for row in found if row["verdict"] == NO_EVIDENCE]
    if silent:
        said.append(f"Even with a model of its own there is {NO_EVIDENCE} in {words.languages(silent)}.")
    return said + constants(found, words, "the model of its own")


def transfer(tables: Tables, words: Words) -> list[str]:
    """Positive and negative transfer: joint against single models where both were trained as long, and what is missing."""
    said = []
    for regime in _joint(tables):
        for criterion, alike in ((EXAMPLES, "as many examples of the language"), (UPDATES, "as many updates")):
            found = rows(tables["equal_effort"], regime=regime, equal_in=criterion)
            fair = [row for row in found if isinstance(row["finding"], str)]
            said += changes(f"the {regime}", "a model of the language alone", fair, words, f"With {alike}, ")
            if lacking := [row for row in found if isinstance(row["missing"], str)]:
                runs = listing(list(dict.fromkeys(row["missing"] for row in lacking)))
                codes = words.languages([row["language"] for row in lacking])
                said.append(f"For {codes} no two runs have {alike}: that needs {runs}.")
    if said:
        said.insert(
            0, "Ahead of single models, a joint one shows positive transfer between its languages; behind them, negative."
        )
    return said


def joint_models(tables: Tables, words: Words) -> list[str]:
    """What one model for several languages does to those that it has seen, against zero-shot and against their own models."""
    said = []
    for regime in _joint(tables):
        found = rows(tables["differences"], regime=regime, other=ZERO_SHOT, seen=True)
        foreign = [row for row in found if row["language"] != words.source]
        said += changes(f"the {regime}", "zero-shot transfer", foreign, words, "Of the languages that it has seen, ")
        own = rows(tables["differences"], regime=regime, other=OWN)
        if any(isinstance(row["missing"], str) for row in rows(tables["equal_effort"], regime=regime)):
            said += changes(f"the {regime}", "the languages' own models", own, words, "As they were trained, ")
        said += constants(rows(tables["regimes"], regime=regime), words, f"the {regime}")
        if own:
            examples, updates = (own[0][name] / own[0][f"other_{name}"] for name in ("examples", "updates"))
            times = f"{examples:.2f} times the examples and {updates:.2f} times the updates"
            said.append(f"In all it has seen {times} of each of these.")
    return said or ["No model was fine-tuned on several languages together."]


def joint_elsewhere(tables: Tables, words: Words) -> list[str]:
    """What the same model does in the source language and in languages that it has not seen."""
    said = []
    for regime in _joint(tables):
        found = rows(tables["differences"], regime=regime, other=ZERO_SHOT)
        in_source = [row for row in found if row["language"] == words.source]
        unseen = [row for row in found if row["language"] != words.source and not row["seen"]]
        said += changes(f"the {regime}", f"the {words.source_name} model", in_source, words)
        said += changes(f"the {regime}", "zero-shot transfer", unseen, words, "Of the languages that it has not seen, ")
    return said


def _joint(tables: Tables) -> list[str]:
    return [regime for regime in dict.fromkeys(tables["regimes"]["regime"]) if regime.startswith(JOINT)]


def predictor(tables: Tables, words: Words) -> list[str]:
    """Whether token premium goes with zero-shot accuracy, then the other measures and regimes by name only."""
    main = rows(tables["correlation"], regime=ZERO_SHOT, outcome="accuracy", predictor="token_premium")
    tested = [row for row in main if pd.notna(row["rho"])]
    if not tested:
        return ["There are too few languages to relate accuracy to the tokeniser."]
    row = tested[0]
    direction = "higher" if row["rho"] > 0 else "lower"
    claim = f"goes with {direction}" if row["p"] < 1 - words.confidence else "has no demonstrable relation to"
    ends = f"{words.level} interval {signed('{low:.2f} to {high:.2f}'.format(**row))}"
    tested_over = f"{p_value(row['p'])} by permutation, n{SPACE}={SPACE}{row['n']} languages without {words.source_name}"
    said = [f"A higher token premium {claim} zero-shot accuracy (Spearman's {rho(row)}, {ends}, {tested_over})."]
    if not any(row["verdict"] == ABOVE and row["language"] != words.source for row in tables["zero_shot"].to_dict("records")):
        said.append("As no other language is above chance, that relates accuracies which chance explains, not transfer.")
    published = rows(tables["correlation"], regime=ZERO_SHOT, outcome="accuracy", predictor="tokens_per_word")
    if published and pd.notna(published[0]["rho"]) and pd.notna(published[0]["published"]):
        ours, theirs = signed(f"{published[0]['rho']:.2f}"), signed(f"{published[0]['published']:.2f}")
        said.append(f"For tokens per word ρ is {ours} here; the published report's own figures give {theirs}.")
    return said


def gains(tables: Tables, words: Words) -> list[str]:
    """How the gain from a model of its own goes with the tokeniser's fertility."""
    found = rows(tables["correlation"], regime=OWN, outcome="gain")
    tested = [row for row in found if pd.notna(row["rho"])]
    if not tested:
        count = f"{whole(found[0]['n'])} languages have" if found else "no language has"
        return [f"How the gain of a model of its own goes with fertility cannot be told: {count} such a gain."]
    said = []
    for row in tested:
        claim = "goes with" if row["p_holm"] < 1 - words.confidence else "has no demonstrable relation to"
        if row["predictor"] in ("tokens_per_word", "token_premium"):
            ends = f"{words.level} interval {signed('{low:.2f} to {high:.2f}'.format(**row))}"
            tests = f"{rho(row)}, {ends}, {p_value(row['p_holm'])} after Holm's correction, n{SPACE}={SPACE}{row['n']}"
            said.append(f"The gain of a model of its own over zero-shot {claim} {PREDICTOR_NAMES[row['predictor']]} ({tests}).")
    return said


def other_predictors(tables: Tables, words: Words) -> list[str]:
    """Which further relations survive Holm's correction within their regime."""
    tested = [row for row in tables["correlation"].to_dict("records") if pd.notna(row["p_holm"])]
    clear = [row for row in tested if row["p_holm"] < 1 - words.confidence]
    if not tested:
        return []
    if not clear:
        return [f"None of the {len(tested)} relations in the table survives Holm's correction within its regime."]
    listed = []
    for row in clear:
        outcome = f"{row['regime']} {'gain' if row['outcome'] == 'gain' else 'accuracy'}"
        listed.append(f"{PREDICTOR_NAMES[row['predictor']]} with {outcome} ({rho(row)}, n{SPACE}={SPACE}{row['n']})")
    return [
        f"Of the {len(tested)} relations in the table these survive Holm's correction within their regime: {listing(listed)}."
    ]


def script(tables: Tables, words: Words) -> list[str]:
    """What the same rows cost or gain in another script, where there was nothing to lose, and what it does to their length."""
    said = []
    for view, found in tables["script"].groupby("view", sort=False):
        those, letters = found.to_dict("records"), f"the same text in {capital(view)} letters"
        silent = [
            row for row in those if row["finding"] == NO_DIFFERENCE and ABOVE not in (row["verdict"], row["original_verdict"])
        ]
        said += changes(letters, "its own script", [row for row in those if row not in silent], words)
        if silent:
            codes = words.languages([row["language"] for row in silent])
            said.append(
                f"In {codes} neither {letters} nor its own script is above chance: what script costs cannot be seen there."
            )
        if lengths := [row for row in those if pd.notna(row["script_premium"])]:
            told = [
                f"{row['original_premium']:.2f} to {row['script_premium']:.2f} in {words.language(row['language'])}"
                for row in lengths
            ]
            said.append(f"{capital(view)} letters take the token premium from {listing(told)}.")
    return said


def claims(tables: Tables, words: Words) -> list[str]:
    """How many published claims this study supports, contradicts and leaves open."""
    table = tables["claims"]
    counts = [(len(rows(table, verdict=verdict)), verdict) for verdict in (SUPPORTED, CONTRADICTED, UNDECIDED)]
    told = listing([f"{count} {'is' if count == 1 else 'are'} {verdict}" for count, verdict in counts])
    against = [row["claim"].rstrip(".") for row in rows(table, verdict=CONTRADICTED)]
    said = [f"Of {number_of(len(table), 'published claim')} about transfer, {told} in this study."]
    return said + ([f"Contradicted: {'; '.join(against)}."] if against else [])
