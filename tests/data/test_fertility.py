"""How finely a tokeniser cuts each language: by hand, and against the published values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from carryover.data import mini, tokenizer, xnli
from carryover.data.fertility import compute_fertility, measure, ratio_error

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def letters() -> Tokenizer:
    """One token a byte, spaces included."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    """One token a whitespace word."""
    made = Tokenizer(models.WordLevel(vocab={"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made


def table(*pairs: tuple[str, str], first_id: int = 1) -> pd.DataFrame:
    premises, hypotheses = zip(*pairs, strict=True)
    ids = range(first_id, first_id + len(pairs))
    texts = {"published_premise": premises, "published_hypothesis": hypotheses}
    return pd.DataFrame(texts | {"id": ids, "cluster": ids})


def test_by_hand(letters):
    """`ab c` has 2 words, 4 characters and bytes; `ไป` 1 word, 2 characters and 6 bytes; `é e` 2 words, 3 and 4."""
    found = compute_fertility(["  ab c\n", "ไป", "é e "], letters)
    assert found == {
        "words": 5,
        "tokens": 14,
        "characters": 9,
        "bytes": 14,
        "tokens_per_word": pytest.approx(14 / 5),
        "tokens_per_character": pytest.approx(14 / 9),
        "bytes_per_token": pytest.approx(1.0),
    }


def test_sums_over_sums_are_not_means_of_ratios(letters):
    found = compute_fertility(["a b c d", "abcdefgh"], letters)
    assert found["tokens_per_word"] == pytest.approx(15 / 5)  # the mean of the two ratios would be 4.875


def test_error_of_a_ratio_is_that_of_resampled_premises():
    rng = np.random.default_rng(0)
    premises = np.repeat(np.arange(150), 3)
    words = rng.integers(3, 30, 150)[premises] + rng.integers(2, 8, 450)  # rows of a premise are alike
    tokens = rng.binomial(words, 0.3 + 0.3 * rng.random(150)[premises]) + words
    drawn = rng.multinomial(150, np.full(150, 1 / 150), size=4000)
    sums = [np.bincount(premises, weights=each) for each in (tokens, words)]
    resampled = (drawn @ sums[0]) / (drawn @ sums[1])
    assert ratio_error(tokens, words, premises) == pytest.approx(resampled.std(), rel=0.06)
    assert ratio_error(tokens, words, np.arange(450)) < 0.8 * resampled.std()  # rows taken as independent look surer


def test_words_of_the_word_tokeniser_are_the_words_counted(words):
    found = compute_fertility(["one two  three", "four\u3000five"], words)
    assert (found["words"], found["tokens"], found["tokens_per_word"]) == (5, 5, 1.0)


def test_training_text_is_measured_on_its_head_and_dev_text_whole(letters):
    train, dev = table(("a", "b"), ("ccc", "ddd")), table(("a", "b"), ("ccc", "ddd"))
    found = measure({("en", "train"): train, ("en", "dev"): dev}, letters, rows=1, source="en").set_index("text")
    assert found["tokens"].to_dict() == {"train": 2, "dev": 8}
    assert found["rows"].to_dict() == {"train": 1, "dev": 2}


def test_the_token_premium_is_over_english_dev_alone(letters):
    tables = {
        ("de", "train"): table(("aaaa", "bbbb"), first_id=1),
        ("en", "train"): table(("a", "b"), first_id=1),
        ("de", "dev"): table(("aaa", "bbb"), ("c", "d"), first_id=7),
        ("en", "dev"): table(("a", "b"), ("c", "d"), first_id=7),
        ("sw", "dev"): table(("aaa", "bbb"), ("c", "d"), first_id=8),  # other pairs: nothing to compare
    }
    found = measure(tables, letters, rows=10, source="en").set_index(["language", "text"])["token_premium"]
    assert found["en", "dev"] == 1.0
    assert found["de", "dev"] == pytest.approx(8 / 4)
    assert found.isna().to_dict() == {key: key not in {("en", "dev"), ("de", "dev")} for key in tables}


def test_pairs_in_another_order_are_not_parallel(letters):
    english = table(("a", "b"), ("c", "d"))
    found = measure({("en", "dev"): english, ("de", "dev"): english.iloc[::-1].reset_index(drop=True)}, letters, 9, "en")
    assert found.set_index("language")["token_premium"].isna().to_dict() == {"en": False, "de": True}


@pytest.mark.parametrize("tables", [{("de", "dev")}, {("de", "dev"), ("en", "train")}])
def test_a_study_without_english_dev_has_no_premium_and_does_not_fail(letters, tables):
    found = measure({key: table(("ab", "cd")) for key in sorted(tables)}, letters, rows=10, source="en")
    assert found["token_premium"].isna().all()
    assert found["tokens"].tolist() == [4] * len(tables)


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "fr", "es", "sw", "de", "tr", "vi", "zh", "ar", "ur"])
def test_the_published_values_are_matched_to_two_decimals(mirror, gpt2, language):
    published = pd.read_csv(ROOT / "data" / "published" / "fertility.csv").set_index("language")["tokens_per_word"]
    rows, _ = xnli.read_split(mirror / "xnli" / "XNLI-MT-1.0.zip", "train", language, mini.LABELS)
    rows = xnli.prepare_text(rows.head(3927), language, moses=False, join=language == "zh")
    found = measure({(language, "train"): rows}, gpt2, rows=3927, source="en")
    assert found["rows"].item() == 3927
    assert round(found["tokens_per_word"].item(), 2) == pytest.approx(published[language], abs=1e-9)


@pytest.fixture(scope="module")
def gpt2(mirror) -> Tokenizer:
    return tokenizer.from_files(mirror / "gpt2-tokenizer" / "vocab.json", mirror / "gpt2-tokenizer" / "merges.txt")
