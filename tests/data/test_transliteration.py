"""Text in another script: what uroman makes of each language, and letters that go there and back."""

import string
import unicodedata

import pandas as pd
import pytest

from carryover.data.transliteration import in_script, letters_of
from carryover.tasks import nli

ENGLISH = ["The Quick brown fox, 5 times: jumps OVER (a lazy dog)!", "naïve", string.ascii_letters, ""]


@pytest.mark.parametrize("script", ["cyrillic", "greek"])
def test_respelling_can_be_undone_and_leaves_no_letter(script):
    respelt = in_script(ENGLISH, script, "eng")
    back = str.maketrans({other: latin for latin, other in letters_of(script).items()})
    assert [text.translate(back) for text in respelt] == ENGLISH
    assert not set("".join(respelt)) & set(string.ascii_letters)
    assert [len(text) for text in respelt] == [len(text) for text in ENGLISH]


@pytest.mark.parametrize("script", ["cyrillic", "greek"])
def test_every_letter_is_its_own_letter_of_that_script_small_and_capital(script):
    letters = letters_of(script)
    assert set(letters) == set(string.ascii_letters) and len(set(letters.values())) == 52
    named = {"cyrillic": "Cyrillic", "greek": "Greek"}[script].upper()
    assert all(unicodedata.name(letter).startswith(named) for letter in letters.values())


@pytest.mark.parametrize(
    ("language", "text", "latin"),
    [
        ("bul", "Щастие в България, ъгъл", "Shtastie v Bulgaria, ugul"),
        ("rus", "Щука и объезд, ещё её", "Shchuka i obyezd, yeshchyo eyo"),
        ("ell", "Ευχαριστώ, αυτός", "Eucharisto, autos"),
        ("hin", "मैं घर जा रहा हूँ", "maim ghar jaa rahaa huum"),
        ("eng", 'It\'s  5 % "ok"', 'It\'s  5 % "ok"'),
    ],
)
def test_uroman_goes_by_the_rules_of_the_language(language, text, latin):
    assert in_script([text, "", text], "latin", language) == [latin, "", latin]


def test_a_view_in_another_script_changes_both_texts_and_nothing_else():
    table = pd.DataFrame({"premise": ["Мама", "Мама"], "hypothesis": ["дома", "здесь"], "target": [0, 1], "id": [4, 5]})
    seen = nli.apply_view(table.assign(cluster=7), "latin", None, "rus")
    assert seen["premise"].tolist() == ["Mama", "Mama"] and seen["hypothesis"].tolist() == ["doma", "zdes"]
    pd.testing.assert_frame_equal(seen[["target", "id"]], table[["target", "id"]])
