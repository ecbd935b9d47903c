"""The text of the embedded corpus: each language in its script, whole sentences, and no label without the premise."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from carryover.data import mini, xnli
from mini_corpus import LANGUAGES, ROOT, SPLITS, built, letters, rows, texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_is_filled(language):
    for split in SPLITS:
        for text in texts(rows(split, language)):
            assert not re.search(r"[{}|~@=<>_]|  |^ | $", text), text
            assert text == unicodedata.normalize("NFC", text)


SCRIPTS = {"Latin": "LATIN", "Greek": "GREEK", "Cyrillic": "CYRILLIC", "Devanagari": "DEVANAGARI"}
SCRIPTS |= {"Arabic": "ARABIC", "Thai": "THAI", "Han": "CJK UNIFIED"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", ["core", "templates", "train"])
def test_each_language_is_in_its_script(language, part):
    script = pd.read_csv(ROOT / "data" / "languages.csv", keep_default_na=False).set_index("language")["script"][language]
    tables = [rows("train", language)] if part == "train" else [rows("dev", language), rows("test", language)]
    if part != "train":
        tables = [table[(table["genre"] == "handwritten") == (part == "core")] for table in tables]
    counted = Counter(sign for table in tables for text in texts(table) for sign in text if unicodedata.category(sign)[0] == "L")
    own = sum(count for sign, count in counted.items() if unicodedata.name(sign).startswith(SCRIPTS[script]))
    assert own > 0.95 * counted.total()


@pytest.mark.parametrize(
    ("language", "own", "never"),
    [
        ("ru", "ыэ", "іїў"),
        ("bg", "ъщ", "ыэё"),
        ("ur", "ےگچں", "ةيك"),
        ("ar", "ةيك", "ےگچپ"),
        ("de", "äöüß", "ñçğ"),
        ("es", "ñáí", "äßç"),
        ("fr", "éèê", "äßñ"),
        ("tr", "ğışİ", "äßñ"),
        ("vi", "ạđư", "äßñğ"),
        ("en", "wy", "äñç"),
        ("sw", "wjy", "qxéä"),
        ("zh", "的这", "這個"),  # simplified
    ],
)
def test_languages_that_share_a_script_are_told_apart(language, own, never):
    signs = set("".join(texts(rows("dev", language))))
    assert set(own) <= signs
    assert not set(never) & signs


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_text_is_tokenised_and_dev_text_is_raw(language):
    for text in texts(rows("train", language)):
        tokens = text.split(" ")
        assert not any(unicodedata.category(token[:1] or " ")[0] == "M" for token in tokens)  # a vowel sign stays at its letter
        assert language == "th" or tokens[-1] in {".", "。", "।", "۔"}
        assert not any(token[-1:] in set(".,。，،۔।") and len(token) > 1 for token in tokens)
    for split in ("dev", "test"):
        assert not any(re.search(r" [.,;:!?。，،۔।？]", text) for text in texts(rows(split, language)))


@pytest.mark.parametrize(("language", "most"), [("zh", 0), ("th", 2)])
def test_words_are_apart_in_training_and_together_in_dev(language, most):
    assert min(text.count(" ") for text in texts(rows("train", language))) >= 3
    for split in ("dev", "test"):
        assert max(text.count(" ") for text in texts(rows(split, language))) <= most  # Thai has spaces between clauses


def test_the_pretraining_text_is_english_and_keeps_dev_and_test_apart():
    assert built()["pretrain.txt"].isascii()
    lines = built()["pretrain.txt"].decode().removesuffix("\n").split("\n")
    assert len(lines) >= 2000 and all(line.strip() == line != "" for line in lines)
    assert len(set(lines)) == len(lines)
    whole = letters(" ".join(lines))
    for split in ("dev", "test"):
        assert not [premise for premise in set(rows(split, "en")["premise"]) if letters(premise) in whole]


@pytest.mark.real_data
def test_no_sentence_is_from_xnli(mirror):
    real = set()
    for split in SPLITS:
        archive = mirror / "xnli" / ("XNLI-MT-1.0.zip" if split == "train" else "XNLI-1.0.zip")
        real |= {letters(text) for text in texts(xnli.read_split(archive, split, "en", mini.LABELS)[0])}
    for split in SPLITS:
        assert not real & {letters(text) for text in texts(rows(split, "en"))}


# ------------------------------------------------------------------------------------------ the hypothesis alone

ROWS = 3000  # of training: enough for the positive control, and 15 languages stay under a minute
BOUND = 0.45


def accuracy_of_a_bag(analyser: str, train: pd.DataFrame, dev: pd.DataFrame) -> float:
    """Dev accuracy of logistic regression on counts of words, or of one to three letters, of the hypothesis."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    how = {"token_pattern": r"\S+"} if analyser == "word" else {"ngram_range": (1, 3)}
    counts = CountVectorizer(analyzer=analyser, min_df=5, **how)
    model = LogisticRegression(max_iter=100, tol=1e-2).fit(counts.fit_transform(train["hypothesis"]), train["label"])
    return float((model.predict(counts.transform(dev["hypothesis"])) == dev["label"]).mean())


def alike(table: pd.DataFrame, language: str) -> pd.DataFrame:
    """Training and dev text in one form: no punctuation, and no spaces in a script without them."""
    words = table["hypothesis"].str.lower().str.replace(r"[.,'’。，۔।،]", " ", regex=True)
    words = words.str.replace(" ", "") if language in mini.UNSEGMENTED else words
    return table.assign(hypothesis=words, label=table["label"].replace("contradictory", "contradiction"))


BAGS = [
    (language, kind)
    for language in LANGUAGES
    for kind in ("word", "char")
    if (language, kind) not in {("th", "word"), ("zh", "word")}
]


@pytest.mark.parametrize(("language", "kind"), BAGS)
def test_the_hypothesis_alone_gives_no_label_away(language, kind):
    train, dev = (alike(rows(split, language), language) for split in ("train", "dev"))
    assert accuracy_of_a_bag(kind, train.head(ROWS), dev) < BOUND


@pytest.mark.parametrize("kind", ["word", "char"])
def test_the_same_bag_finds_a_word_that_gives_the_label_away(kind):
    """In two rows of five: so the bound above can be missed."""
    train, dev = (alike(rows(split, "en"), "en") for split in ("train", "dev"))
    for table in (train, dev):
        given = np.random.default_rng(0).random(len(table)) < 0.4
        table.loc[given, "hypothesis"] += " " + table.loc[given, "label"]
    assert accuracy_of_a_bag(kind, train.head(ROWS), dev) > BOUND
