"""Finding a person at a gate that holds no name, e-mail or phone number (P9). Pure.

The server sends short keyed marks with a participant: of the e-mail, of the phone's last four
digits, of the whole name and of how each of its words begins; and one of a ticket's last group.
They are short on purpose: a mark that fits is a candidate, not a proof, and what is left of a
ticket's 80 bits stays far out of reach of who stole the card (docs/adr: searching at a gate).
"""

import hashlib
import hmac
import re
import unicodedata
from typing import NamedTuple

from shared.credentials import LETTERS, TicketCode, parse
from shared.masking import letters

CODE_PART = 5  # the last group of a readable code
_PHONE_END = 4
_BEGINNINGS = (2, 3, 4)  # letters of a word; what is typed beyond them narrows by the mask alone
# Hex digits kept of each kind's digest: e-mails are looked up exactly, the rest are candidates.
_HEX = {"e": 8, "p": 4, "n": 4, "b": 3, "c": 4}
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_NOT_DIGITS = re.compile(r"\D")
_PHONE = re.compile(r"[+()\d\s.\-]+")
_PART = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}")


def normal_name(name: str) -> str:
    """One form for spellings that people don't tell apart: case, width, spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def marks_of(digest_key: bytes, name: str, email: str | None, phone: str | None) -> list[str]:
    """A participant's marks, sorted, each `kind letter + hex digits`."""
    plain = normal_name(name)
    marks = {_mark(digest_key, "n", plain)}
    marks |= {
        _mark(digest_key, "b", word[:letters])
        for word in plain.split()
        for letters in _BEGINNINGS
        if len(word) >= letters
    }
    if email:
        marks.add(_mark(digest_key, "e", email.strip().lower()))
    digits = _NOT_DIGITS.sub("", phone or "")
    if len(digits) >= _PHONE_END:
        marks.add(_mark(digest_key, "p", digits[-_PHONE_END:]))
    return sorted(marks)


def code_mark(digest_key: bytes, letters: str) -> str:
    """The mark of a ticket's last group; the other twelve letters leave no trace."""
    return _mark(digest_key, "c", letters[-CODE_PART:])


class Query(NamedTuple):
    """What a supervisor typed, as a gate can look for it. Any of them may be empty.

    `any_of` marks name a person each, the first that anybody has wins; `words` and `begins` (all
    must fit) are tried where none does.
    """

    code: TicketCode | None
    code_part: str | None
    any_of: tuple[str, ...]
    begins: tuple[str, ...]
    words: tuple[str, ...]


def query_of(digest_key: bytes, typed: str) -> Query:
    text = unicodedata.normalize("NFKC", typed).strip()
    code = parse(text)
    if isinstance(code, TicketCode):
        return Query(code, None, (), (), ())
    if "@" in text:
        return Query(None, None, (_mark(digest_key, "e", text.lower()),), (), ())
    digits = _NOT_DIGITS.sub("", text)
    part = _part_mark(digest_key, text)
    if len(digits) >= _PHONE_END and _PHONE.fullmatch(text):
        return Query(None, part, (_mark(digest_key, "p", digits[-_PHONE_END:]),), (), ())
    words = tuple(normal_name(text).split())
    begins = tuple(
        _mark(digest_key, "b", word[: _BEGINNINGS[-1]])
        for word in words
        if len(word) >= _BEGINNINGS[0]
    )
    whole = (_mark(digest_key, "n", " ".join(words)),) if words else ()
    return Query(None, part, whole, begins, words)


def fits_mask(words: tuple[str, ...], masked_name: str) -> bool:
    """Whether a masked name may begin with these words: each has its own word in the mask."""
    left = masked_name.casefold().split()
    for word in words:
        held = next((mask for mask in left if _word_fits(word, mask)), None)
        if held is None:
            return False
        left.remove(held)
    return True


def _word_fits(word: str, mask: str) -> bool:
    typed, masked = letters(word), letters(mask)
    if len(typed) > len(masked):
        return False
    return all(one in ("*", letter) for letter, one in zip(typed, masked, strict=False))


def _part_mark(digest_key: bytes, text: str) -> str | None:
    part = text.upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    part = part[-CODE_PART:] if len(part) < LETTERS else ""
    return code_mark(digest_key, part) if _PART.fullmatch(part) else None


def _mark(digest_key: bytes, kind: str, text: str) -> str:
    said = f"find\x00{kind}\x00{text}".encode()
    return kind + hmac.digest(digest_key, said, hashlib.sha256).hex()[: _HEX[kind]]
