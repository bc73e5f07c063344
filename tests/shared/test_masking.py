"""P9: names as a gate shows and searches them, however they are written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.findable import fits_mask
from shared.masking import letters, mask_name


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("홍 길동", "홍 *동"),  # a space is no way round the mask
        ("김 철 수", "김 * 수"),
        ("김", "김"),
        (unicodedata.normalize("NFD", "홍길동"), "홍*동"),
        (unicodedata.normalize("NFD", "José Núñez"), "J*** N****"),
        ("สมชาย ใจดี", "ส**** ใ**"),
        ("👩🏽\u200d🚀 Kim", "👩🏽\u200d🚀 K**"),
        ("🇰🇷🇺🇸 Lee", "🇰🇷* L**"),
        ("\u202eevil", "e***"),  # what would turn the screen's writing round
        ("김\u200b철수", "김*수"),
        ("张伟", "张*"),
        ("アリス", "ア**"),
        ("홍길동 John", "홍** J***"),
        ("\u200d\u200d", ""),
        ("   ", ""),
    ],
)
def test_odd_names(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@given(st.text(max_size=40))
def test_p9_no_mask_shows_more_than_a_first_and_a_last_letter_of_any_word(name: str) -> None:
    masked = mask_name(name)
    for word in masked.split():
        assert sum(one != "*" for one in letters(word)) <= max(2, word.count("*") + 2)
    assert len(masked.split()) <= len(name.split())


@given(st.text("abzé가나홍길동 ", max_size=20))
def test_who_types_a_name_finds_its_mask(name: str) -> None:
    assert fits_mask(tuple(name.casefold().split()), mask_name(name))


@pytest.mark.parametrize(
    ("typed", "name", "fits"),
    [
        ("홍길", "홍길동", True),
        ("길동", "홍 길동", True),
        ("홍 길동", "홍 길동", True),
        ("สมชาย", "สมชาย ใจดี", True),
        ("สมหญิง", "สมชาย ใจดี", True),  # the first letter is all the mask tells
        ("김", "홍길동", False),
        ("홍길동이", "홍길동", False),
    ],
)
def test_what_is_typed_against_a_mask(typed: str, name: str, fits: bool) -> None:
    assert fits_mask(tuple(typed.split()), mask_name(name)) is fits
