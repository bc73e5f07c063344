"""What was meant by what an input method made of a code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keystrokes import as_typed

_LETTERS = {
    **dict(zip("RSEFAQTDWCZXVG", "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ", strict=True)),
    **dict(zip("KOIJPUHYNBML", "ㅏㅐㅑㅓㅔㅕㅗㅛㅜㅠㅡㅣ", strict=True)),
}


@given(st.text("".join(_LETTERS), max_size=30))
def test_letters_typed_with_the_hangul_key_on_come_back(keys: str) -> None:
    assert as_typed("".join(_LETTERS[key] for key in keys)) == keys


@pytest.mark.parametrize(
    ("arrived", "meant"),
    [
        ("ㅎㄴ:ㅅㅊㄹ24", "GS:TCF24"),
        ("뮻ㅇ", "ABCD"),  # joined into a syllable as far as it goes
        ("왋", "DHKFQ"),  # a double vowel and a double final
        ("ＧＳ：ＴＣＦ２４", "GS:TCF24"),
        ("tcf24-abcd", "tcf24-abcd"),
        ("\u200bTCF24\ufeff\x00 ", "TCF24"),
        ("GS:TCF24\u2013AB", "GS:TCF24\u2013AB"),
    ],
)
def test_examples(arrived: str, meant: str) -> None:
    assert as_typed(arrived) == meant
