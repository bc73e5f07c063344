"""What people type to find somebody, and what is searched: one form for spellings that look alike.

Case, width, accents and the ways to write Hangul fall together; a syllable becomes its letters, so
that 기 finds 김 while it is typed, and ㄱㅊㅅ finds 김철수 by the letters that its syllables begin
with. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import phonenumbers

from shared import credentials
from sync_server.registration.quality import STATUS_WORDS

BEGIN, END = "\x1e ", "\x1f"  # of each field of a text to search; a word has a space before it
_STATUS = "\x1d"
_BIRTH = "\x1c"
WORDS_MAX = 12
_PHONE_MIN = 7
_INITIALS = re.compile("[\u1100-\u1112]")
_PHONE = re.compile(r"[+()\d\s.\-/]+")
_SEPARATORS = re.compile(r"[\-‐-―.()+_/·]")
_DATE = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})\.?")
_DIGIT = re.compile(r"\d")
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_CODE_PART = re.compile(rf"[{credentials.ALPHABET}]{{4,{credentials.LETTERS}}}")
# Consonants that a keyboard joins while initial letters are typed.
_CLUSTERS = str.maketrans(
    {"ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ",
     "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ"}
)  # fmt: skip
# A last consonant may yet become the next syllable's first: 철 is on the way to 처리.
_LAST = [
    "ㄱ",
    "ㄲ",
    "ㄳ",
    "ㄴ",
    "ㄵ",
    "ㄶ",
    "ㄷ",
    "ㄹ",
    "ㄺ",
    "ㄻ",
    "ㄼ",
    "ㄽ",
    "ㄾ",
    "ㄿ",
    "ㅀ",
    "ㅁ",
    "ㅂ",
    "ㅄ",
    "ㅅ",
    "ㅆ",
    "ㅇ",
    "ㅈ",
    "ㅊ",
    "ㅋ",
    "ㅌ",
    "ㅍ",
    "ㅎ",
]
_FIRST = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_REST_OF = {"ㄳ": "ㄱ", "ㄵ": "ㄴ", "ㄶ": "ㄴ", "ㄺ": "ㄹ", "ㄻ": "ㄹ", "ㄼ": "ㄹ", "ㄽ": "ㄹ",
            "ㄾ": "ㄹ", "ㄿ": "ㄹ", "ㅀ": "ㄹ", "ㅄ": "ㅂ"}  # fmt: skip


def folded(text: str) -> str:
    """One form, Hangul taken apart, single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFKC", text).casefold()
    letters = (
        letter
        for letter in unicodedata.normalize("NFKD", plain)
        if not unicodedata.combining(letter) and unicodedata.category(letter) != "Cf"
    )
    return " ".join("".join(letters).split())


def initials(plain: str) -> str:
    """Of a folded text: the letters that its Korean syllables begin with."""
    return "".join(_INITIALS.findall(plain))


def status_mark(status: str) -> str:
    return _STATUS + status[0]


def birth_mark(iso_date: str) -> str:
    """Five signs that nobody types, so that a part of a phone number finds no birthday."""
    try:
        days = date.fromisoformat(iso_date).toordinal()
    except ValueError:
        return ""
    return _BIRTH + "".join(chr(1 + (days >> shift & 7)) for shift in (18, 15, 12, 9, 6, 3, 0))


def text_of(fields: Iterable[str | None], marks: Iterable[str]) -> str:
    """What is searched of one person, from folded fields: name first, see `SearchIndex`."""
    said = "".join(f"{BEGIN}{field}{END}" for field in fields if field)
    return said + "".join(marks)


def phone_fields(e164: str | None) -> Iterator[str]:
    """As it is stored; a Korean one also as Koreans write it."""
    if e164:
        yield e164
        if e164.startswith("+82"):
            yield "0" + e164[3:]


Words = tuple[tuple[str, ...], ...]


class Asked(NamedTuple):
    """A query, understood. The first reading counts that somebody fits: all of its words must be
    there, each in one of its spellings. `whole` are spellings of all of it, for who comes first.
    """

    readings: tuple[Words, ...]
    whole: tuple[str, ...]


def asked(text: str, tag: str, region: str) -> Asked | None:
    """None for a text in which there is nothing to look for."""
    text = "".join(letter for letter in text if letter.isspace() or letter.isprintable()).strip()
    code = credentials.parse(text)
    if isinstance(code, credentials.TicketCode):
        return Asked((((code.letters,),),), (code.letters,))
    plain = folded(text.translate(_CLUSTERS))
    words = plain.split()[:WORDS_MAX]
    if not words:
        return None
    # A code written in groups: the event's tag says nothing of whom.
    telling = [word for word in words if word not in {tag.lower(), "gs:", "gs:" + tag.lower()}]
    *before, last = telling or words
    forms = [tuple(_spellings(word, tag)) for word in before]
    readings = [(*forms, (*_spellings(last, tag), *_on_the_way(last)))]
    phone = tuple(_phones(text, region))
    if phone:
        readings.insert(0, (phone,))
    whole = dict.fromkeys((plain, *phone, plain.replace(" ", "")))
    return Asked(tuple(readings), tuple(whole))


def is_mark(spelling: str) -> bool:
    """Whether it stands for a status or a birthday, and is no text."""
    return spelling[0] in {_STATUS, _BIRTH}


def _spellings(word: str, tag: str) -> Iterator[str]:
    forms: list[str] = []
    status = STATUS_WORDS.get(unicodedata.normalize("NFC", word))
    if status is not None:
        forms.append(status_mark(status.value))
    forms.append(word)
    born = _DATE.fullmatch(word)
    if born is not None:
        year, month, day = map(int, born.groups())
        forms.append(birth_mark(f"{year:04}-{month:02}-{day:02}"))
    if "@" not in word:
        bare = _SEPARATORS.sub("", word.replace("(0)", ""))
        if _DIGIT.search(bare):
            forms.append(bare)
        if bare.isdecimal() and len(bare) >= _PHONE_MIN:
            forms.append(bare.lstrip("0"))
        forms += _code_part(bare.upper().removeprefix("GS:"), tag)
    return (form for form in dict.fromkeys(forms) if form)


def _code_part(part: str, tag: str) -> Iterator[str]:
    """Codes are searched in capitals, which nothing else has: no short word meets one by chance."""
    for said in dict.fromkeys((part.removeprefix(tag), part)):
        read = said.translate(_MISREAD) if _DIGIT.search(said) else said
        if _CODE_PART.fullmatch(read):
            yield read


def _on_the_way(word: str) -> Iterator[str]:
    """The word as it goes on, if its last consonant belongs to a syllable still to come."""
    place = ord(word[-1]) - 0x11A8
    if len(word) < 3 or not 0 <= place < len(_LAST):
        return
    last = _LAST[place]
    rest = _REST_OF.get(last)
    first = last if rest is None else last.translate(_CLUSTERS)[1]
    kept = "" if rest is None else chr(0x11A8 + _LAST.index(rest))
    yield word[:-1] + kept + chr(0x1100 + _FIRST.index(first))


def _phones(text: str, region: str) -> Iterator[str]:
    """A phone number however it is written: as stored, and its digits."""
    digits = re.sub(r"\D", "", text)
    if len(digits) < _PHONE_MIN or not _PHONE.fullmatch(text):
        return
    try:
        number = phonenumbers.parse(text, region)
        yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        pass  # a part of one
    yield digits
    if digits.startswith("0"):
        yield digits.lstrip("0")  # the code of another country, or none, stands there
