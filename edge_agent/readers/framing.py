"""Where one code of a hand scanner ends and the next begins. Pure: times are arguments."""

import re

from shared.errors import UsageError
from shared.limits import CODE_CHARS_MAX

PAUSE_MS = 300
"""A scanner types a code without a pause; after one, what came is a whole code."""
CANCEL = "\x18"
"""From a device that lost part of a code: all of it is dropped, up to the next end or pause."""
_NAMED = {"none": "", "enter": "\n", "tab": "\t"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([trn\\]))")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\"}


def affix(setting: str) -> str:
    r"""The characters that a setting names: `enter`, `tab`, `none`, or text with `\x02`, `\t`."""
    if setting in _NAMED:
        return _NAMED[setting]
    text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED[m[2]], setting)
    if len(text) > 16:
        raise UsageError(f"a scanner's prefix or suffix has at most 16 characters: {setting}")
    return text


class Framing:
    """Collects characters into codes. Enter always ends one, whatever the suffix."""

    def __init__(self, prefix: str = "", suffix: str = "\n", pause_ms: int = PAUSE_MS) -> None:
        self._without_prefix = 0
        self._prefix = prefix
        self._suffix = suffix.replace("\r", "\n")
        self._pause_ms = pause_ms
        self._text = ""
        self._last_ms = 0
        self._skipping = False

    def take(self, text: str, at_ms: int) -> list[str]:
        """The codes that these characters complete."""
        codes = self.rest(at_ms)
        self._last_ms = at_ms
        for letter in text.replace("\r", "\n"):
            codes += self._take_one(letter)
        return codes

    def rest(self, at_ms: int) -> list[str]:
        """What came before a pause is a whole code; ask when nothing has come for a while."""
        if not self.open or at_ms - self._last_ms < self._pause_ms:
            return []
        return self._finish()

    @property
    def open(self) -> bool:
        """Whether a code has begun and not ended."""
        return bool(self._text) or self._skipping

    def take_without_prefix(self) -> int:
        """How many codes came without the prefix since this was asked last."""
        count, self._without_prefix = self._without_prefix, 0
        return count

    def _take_one(self, letter: str) -> list[str]:
        if letter == CANCEL:
            self._text, self._skipping = "", True
            return []
        if self._skipping and letter != "\n":
            return []
        self._text += letter
        if self._suffix and self._text.endswith(self._suffix):
            self._text = self._text[: -len(self._suffix)]
            return self._finish()
        if letter == "\n":
            self._text = self._text[:-1]
            return self._finish()
        if len(self._text) > CODE_CHARS_MAX:
            # Too long for a code: dropped up to the next end, so that its tail is no code either.
            self._text, self._skipping = "", True
        return []

    def _finish(self) -> list[str]:
        text, self._text, self._skipping = self._text, "", False
        if self._prefix:
            before, found, after = text.rpartition(self._prefix)
            if found:
                text = after
            elif before or after.strip():
                self._without_prefix += 1
        return [text] if text.strip() else []
