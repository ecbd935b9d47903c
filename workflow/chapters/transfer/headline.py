"""The summary in one paragraph: a sentence for each part of the question, with its numbers and hedges from the tables."""

from __future__ import annotations

from carryover.analysis.comparison import ABOVE, HIGHER, LOWER, NO_DIFFERENCE
from carryover.analysis.study import OWN, ZERO_SHOT
from carryover.reporting.formatting import SPACE, Words, listing, number_of, p_value, signed, whole
from carryover.reporting.phrases import Row, Tables, rho, rows, verdict
from chapters.transfer.comparisons import HYPOTHESIS
from chapters.transfer.equal_effort import UPDATES


def summary(tables: Tables, words: Words) -> list[str]:
    """The source language, what carries over, what fine-tuning buys, one model for all, and what predicts it."""
    parts = (_in_source, _controlled, _carried, _bought, _together, _predicted)
    return [said for part in parts if (said := part(tables, words))]


def _in_source(tables: Tables, words: Words) -> str:
    found = rows(tables["zero_shot"], language=words.source)
    if not found:
        return f"No model of this study was fine-tuned on {words.source_name} and tested in it."
    row = found[0]
    over = f", the mean of {row['seeds']} seeds" if row["seeds"] > 1 else ""
    reached = f"{row['model']} answers {words.stated(row)} of the {words.source_name} test rows rightly{over}"
    return f"Fine-tuned in {words.source_name}, {reached}: {verdict(row, words)}."


def _controlled(tables: Tables, words: Words) -> str:
    """What a part of each row alone gives away, without which an accuracy cannot be read."""
    found = rows(tables["controls"], train=words.source, language=words.source, control=HYPOTHESIS)
    if not found:
        return ""
    row = found[0]
    verb = {HIGHER: "beats", LOWER: "falls behind"}.get(row["finding"])
    told = f"the full model {verb} it ({words.gap(row)})" if verb else f"there is {NO_DIFFERENCE} from the full model"
    return f"A model that never saw a {words.term('cluster')} reaches {words.short(row)}: {told}."


def _carried(tables: Tables, words: Words) -> str:
    others = [row for row in tables["zero_shot"].to_dict("records") if row["language"] != words.source]
    if not others:
        return "It was tested in no other language."
    above = sorted((row for row in others if row["verdict"] == ABOVE), key=lambda row: -row["accuracy"])
    among = f"of {number_of(len(others), 'other language')}"
    if not above:
        start = f"Nothing demonstrably carries over from {words.source_name} without further training"
        return f"{start}: no evidence above chance in any {among}."
    best = [f"{words.language(row['language'])} at {words.short(row)}" for row in above[:3]]
    told = f"{'in ' if len(above) <= 3 else 'best in '}{listing(best)}"
    return f"Without further training the {words.source_name} model is above chance in {len(above)} {among}, {told}."


def _bought(tables: Tables, words: Words) -> str:
    found = rows(tables["regimes"], regime=OWN)
    if not found:
        return "No model was fine-tuned on another language alone."
    return _against("A model of its own", "that", found, words)


def _together(tables: Tables, words: Words) -> str:
    """One joint model against the single ones, at as many updates where there are such runs, else as they were trained."""
    fair = [row for row in rows(tables["equal_effort"], equal_in=UPDATES) if row["finding"] in (HIGHER, LOWER, NO_DIFFERENCE)]
    if fair:
        subject = f"With as many updates, one {fair[0]['regime']}"
        return _against(subject, "single models", _of_first(fair), words)
    own = rows(tables["differences"], other=OWN)
    if not own:
        return ""
    times = f"{own[0]['updates'] / own[0]['other_updates']:.3g} times the updates"
    return _against(f"With {times}, one {own[0]['regime']}", "single models", _of_first(own), words)


def _of_first(found: list[Row]) -> list[Row]:
    return [row for row in found if row["regime"] == found[0]["regime"]]


def _against(subject: str, other: str, found: list[Row], words: Words) -> str:
    """How many languages gain and lose, with the largest of each; and in how many there is no evidence."""
    told = []
    for finding, verb in ((HIGHER, f"beats {other}"), (LOWER, f"falls behind {other}")):
        clear = sorted((row for row in found if row["finding"] == finding), key=lambda row: -abs(row["difference"]))
        if clear:
            start = f"{verb} in {len(clear)} of {number_of(len(found), 'language')}"
            most = f"{words.language(clear[0]['language'])} ({words.gap(clear[0])})"
            told.append(f"{start}, most in {most}" if len(clear) > 1 else f"{start}, {most}")
    silent = sum(row["finding"] == NO_DIFFERENCE for row in found)
    if not told:
        return f"{subject} shows {NO_DIFFERENCE} from {other} in any of {number_of(len(found), 'language')}."
    rest = f"; in {silent} there is no evidence of a difference" if silent else ""
    return f"{subject} {' and '.join(told)}{rest}."


def _predicted(tables: Tables, words: Words) -> str:
    found = rows(tables["correlation"], regime=ZERO_SHOT, outcome="accuracy", predictor="token_premium")
    if not found or found[0]["rho"] != found[0]["rho"]:
        return ""
    if not any(row["verdict"] == ABOVE and row["language"] != words.source for row in tables["zero_shot"].to_dict("records")):
        return "As no other language is above chance, there is no transfer that the tokeniser could predict."
    row = found[0]
    ends = f"{words.level} interval {signed('{low:.2f} to {high:.2f}'.format(**row))}"
    tested = f"Spearman's {rho(row)}, {ends}, {p_value(row['p'])}, n{SPACE}={SPACE}{whole(row['n'])}"
    if row["p"] >= 1 - words.confidence:
        return f"How dear a language is in tokens has no demonstrable relation to what carries over ({tested})."
    return f"The dearer a language is in tokens, the {'less' if row['rho'] < 0 else 'more'} carries over ({tested})."
