"""A person's whole name from its two parts, in the order in which it is written."""

import unicodedata

_SCRIPTS_FAMILY_FIRST = ("HANGUL", "CJK", "HIRAGANA", "KATAKANA")


def whole_name(first: str, last: str) -> str:
    """“Ann Lee”, and “홍길동” from 길동 and 홍: family name first, without a space."""
    first, last = " ".join(first.split()), " ".join(last.split())
    if not first or not last:
        return first or last
    if _family_first(first) and _family_first(last):
        # Some write the whole name where the given name is asked for.
        whole_already = first.startswith(last) and len(first) >= len(last) + 2
        return first if whole_already else last + first
    return f"{first} {last}"


def _family_first(part: str) -> bool:
    return all(
        unicodedata.name(letter, "").startswith(_SCRIPTS_FAMILY_FIRST)
        for letter in unicodedata.normalize("NFC", part)
        if not letter.isspace()
    )
