"""Sentences that state what was seen inside models, made from the chapter's tables; as strong as the test behind each."""

from __future__ import annotations

import pandas as pd

from carryover.reporting.formatting import Words, number_of, signed
from carryover.reporting.phrases import Tables, capital
from chapters.interpretability.sources import AS_IT_IS, AT_RANDOM, TUNED, middle

MOSTLY = 0.9  # of the prompts
NAMED = {AS_IT_IS: "the model as it is", TUNED: "the fine-tuned model", AT_RANDOM: "the model at random weights"}


def alignment(tables: Tables, words: Words) -> list[str]:
    """In how many languages the middle state's CKA is beyond shuffled pairs, and in how many beyond random weights."""
    table, said = tables["similarity"], []
    for state in (AS_IT_IS, TUNED, AT_RANDOM):
        rows = middle(table[(table["state"] == state) & (table["measure"] == "cka")])
        if rows.empty:
            continue
        beyond = rows[rows["p_holm"] < 1 - words.confidence]
        said.append(
            f"{capital(NAMED[state])}: at hidden state {rows['layer'].iloc[0]}, sentences are more alike to those of "
            f"{words.source_name} than shuffled pairs are in {len(beyond)} of {len(rows)} languages (unbiased CKA, "
            f"Holm's correction){_best(rows, words)}."
        )
        if rows["learnt"].notna().any():
            learnt, lost = rows[rows["learnt_low"] > 0], rows[rows["learnt_high"] < 0]
            said.append(f"That is beyond the same model at random weights in {len(learnt)} of them, and below it in {len(lost)}.")
    return said or ["No language was compared with another inside a model."]


def _best(rows: pd.DataFrame, words: Words) -> str:
    most = rows.loc[rows["value"].idxmax()]
    ends = f"{most['value']:.2f} [{most['low']:.2f} to {most['high']:.2f}]"
    return signed(f", highest in {words.language(most['language'])}, {ends}")


def attended(tables: Tables, words: Words) -> list[str]:
    """In which languages attention is spread most and least, and how much of it the first token gets."""
    table = tables["attention"]
    table = table[table["state"] == AS_IT_IS]
    if table.empty:
        return ["No sentence has as many tokens as attention was asked for."]
    mean = table.groupby(["measure", "language"], sort=False)["value"].mean()
    entropy, first = mean["entropy"].sort_values(), mean["first"]
    ends = [f"{words.language(code)} ({entropy[code]:.3f})" for code in (entropy.index[-1], entropy.index[0])]
    return [
        f"Attention beside the first token is spread most in {ends[0]} and least in {ends[1]}, of 1 where all visible tokens "
        f"get the same; the first token gets {words.percent(first.min())} to {words.percent(first.max())}, by language.",
    ]


def appears(tables: Tables, words: Words) -> list[str]:
    """From which hidden state on the answer is mostly that of the last one, in the source language and elsewhere."""
    table = tables["lens"]
    state = TUNED if (table["state"] == TUNED).any() else AS_IT_IS
    rows = table[(table["state"] == state) & (table["measure"] == "settled")]
    if rows.empty:
        return ["No hidden state was asked for the answer."]
    first = {}
    for language, some in rows.groupby("language", sort=False):
        late = some[some["value"] < MOSTLY]["layer"]
        first[language] = int(some["layer"].min() if late.empty else some[some["layer"] > late.max()]["layer"].min())
    said = f"In {NAMED[state]} the answer is that of the last hidden state in {MOSTLY:.0%} of the prompts"
    others = sorted({value for language, value in first.items() if language != words.source})
    span = f"{others[0]} to {others[-1]}" if len(others) > 1 else str(others[0]) if others else ""
    elsewhere = f", in other languages from {span} on" if span else ""
    return [f"{said} from hidden state {first[words.source]} on in {words.source_name}{elsewhere}."]


def lost(tables: Tables, words: Words) -> list[str]:
    """Where taking a language's own neurons out costs more bits than as active others, of itself and of the source."""
    table, said = tables["ablation"], []
    for state in (AS_IT_IS, TUNED, AT_RANDOM):
        rows = table[(table["state"] == state) & (table["measure"] == "bits") & (table["control"] == "as active")]
        if rows.empty:
            continue
        clear = rows[(rows["p_holm"] < 1 - words.confidence) & (rows["beyond_low"] > 0)]
        own, other = clear[clear["ablated"] == clear["language"]], clear[clear["language"] == words.source]
        total = number_of(rows["ablated"].nunique(), "language")
        named = f" ({words.languages(list(own['language']))})" if len(own) else ""
        said.append(
            f"{capital(NAMED[state])}: without the neurons of a language its own sentences cost more bits than without as active "
            f"others in {len(own)} of {total}{named}; those of {words.source_name} do in {len(other)}."
        )
    return said or ["None of the languages that were to go without their own neurons has any."]


def limits(tables: Tables, words: Words) -> list[str]:
    """What the measures cannot say."""
    return [
        "Similarity is of sentences, the mean of their tokens' hidden states; a model can align words and not sentences, or the "
        "reverse.",
        "What is alike at random weights too was not learnt: it comes from tokens that languages share, names and numbers first.",
        "Raw cosines are shown because they were published; they are mostly what all vectors share.",
    ]
