"""What was meant by what a keyboard produced: Korean letters typed with the Hangul key on, wide
forms, invisible characters. Pure.

On a Korean keyboard (두벌식) the same key gives `S` or `ㄴ`, and the input method joins what it gets
into syllables: a scanner that types `GS:` may arrive as `ㅎㄴ:`. Each syllable is taken apart into
the keys that were pressed.
"""

import unicodedata

_SYLLABLES_FIRST, _SYLLABLES_LAST = 0xAC00, 0xD7A3
# In Unicode's order: 19 initials, 21 vowels, 27 finals (and none), each as the keys that make it.
_INITIALS = tuple(str.split("R RR S E EE F A Q QQ T TT D W WW C Z X V G"))
_VOWELS = tuple(str.split("K O I O J P U P H HK HO HL Y N NJ NP NL B M ML L"))
_FINALS = ("", *str.split("R RR RT S SW SG E F FR FA FQ FT FX FV FG A Q QT T TT D W C Z X V G"))
_DOUBLED = {"RR": "R", "EE": "E", "QQ": "Q", "TT": "T", "WW": "W"}  # one key, with Shift
_JAMO = "ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_JAMO_KEYS = (
    *str.split("R RR RT S SW SG E EE F FR FA FQ FT FX FV FG A Q QQ QT T TT D W WW C Z X V G"),
    *_VOWELS,
)
_KEYS = dict(zip(_JAMO, _JAMO_KEYS, strict=True))


def as_typed(text: str) -> str:
    """The text as a US keyboard would have given it, in narrow letters, printable ones only."""
    # NFC first: a Mac or a scanner may send a syllable's jamo one by one. NFKC: `Ｓ` is `S`.
    text = unicodedata.normalize("NFC", text)
    text = "".join(_keys_of(letter) for letter in text)
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf"}).strip()


def _keys_of(letter: str) -> str:
    place = ord(letter) - _SYLLABLES_FIRST
    if 0 <= place <= _SYLLABLES_LAST - _SYLLABLES_FIRST:
        initial, rest = divmod(place, 21 * 28)
        vowel, final = divmod(rest, 28)
        parts = (_INITIALS[initial], _VOWELS[vowel], _FINALS[final])
        return "".join(_DOUBLED.get(part, part) for part in parts)
    keys = _KEYS.get(letter)
    return letter if keys is None else _DOUBLED.get(keys, keys)
