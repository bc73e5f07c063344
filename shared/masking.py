"""Names as a gate may show them (P9): enough to greet a person, too little to make a list."""

import re
import unicodedata

_JOINER = "\u200d"
# What belongs to the letter before it: variation selectors, skin colours, flags' tags.
_ATTACHED = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")


def mask_name(name: str) -> str:
    """`홍길동` → `홍*동`, `홍 길동` → `홍 *동`, `김철` → `김*`, `John Doe` → `J*** D**`, `Jo` → `J*`.

    Names in Hangul or Han characters keep the first and the last character, however they are
    spaced; in all others each word keeps its first. What only steers the writing is left out.
    """
    words = [letters(word) for word in unicodedata.normalize("NFC", name).split()]
    words = [word for word in words if word]
    if all(map(_is_east_asian, words)):
        return _mask_middle(words)
    return " ".join(word[0] + "*" * (len(word) - 1) for word in words)


def letters(word: str) -> list[str]:
    """What a person sees as one letter each: with its accents, an emoji with its parts."""
    found: list[str] = []
    joined = False
    for sign in word:
        kind = unicodedata.category(sign)
        if sign == _JOINER:
            joined = bool(found)
        elif kind in {"Cc", "Cf"} and not _ATTACHED.match(sign):
            continue
        elif found and (
            joined or kind.startswith("M") or _ATTACHED.match(sign) or _pairs(found, sign)
        ):
            found[-1] += (_JOINER if joined else "") + sign
            joined = False
        else:
            found.append(sign)
    return found


def _pairs(found: list[str], sign: str) -> bool:
    """Two signs make one flag."""
    return bool(len(found[-1]) == 1 and _FLAG.match(found[-1]) and _FLAG.match(sign))


def _mask_middle(words: list[list[str]]) -> str:
    """The spaces stay where they are."""
    total = sum(map(len, words))
    shown = {0} if total <= 2 else {0, total - 1}
    masked, place = [], 0
    for word in words:
        masked.append("".join(one if place + n in shown else "*" for n, one in enumerate(word)))
        place += len(word)
    return " ".join(masked)


def _is_east_asian(word: list[str]) -> bool:
    return all("\uac00" <= one <= "\ud7a3" or "\u4e00" <= one <= "\u9fff" for one in word)
