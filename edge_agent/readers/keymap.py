"""From key events of a scanner that acts as a keyboard to the text that it typed. Pure.

Codes of `linux/input-event-codes.h`. A Korean keyboard has the letters where a US one has them;
what differs are its keys for Hangul and Hanja, which only an input method would hear, so for `kr`
they and the right-hand Alt and Ctrl that stand for them are passed over.
"""

from typing import Final, Literal

Layout = Literal["us", "kr"]

KEY_UP, KEY_DOWN, KEY_REPEAT = 0, 1, 2

_ROWS: Final = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
)
_PLAIN: Final = {first + i: c for first, plain, _ in _ROWS for i, c in enumerate(plain)} | {
    15: "\t",
    28: "\n",
    96: "\n",  # Enter of the number pad
    55: "*",
    74: "-",
    78: "+",
    83: ".",
    98: "/",
    86: "<",
}
_SHIFTED: Final = {first + i: c for first, _, shifted in _ROWS for i, c in enumerate(shifted)}
_PAD: Final = dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True))
_SHIFT: Final = {42, 54}
_CTRL: Final = {29, 97}
_ALT: Final = {56, 100}
_CAPS_LOCK: Final = 58
_KOREAN_ONLY: Final = {97, 100, 122, 123}  # right Ctrl and Alt, Hangul, Hanja

KEYS_OF_A_KEYBOARD: Final = frozenset((28, 30, 2, 44))
"""Enter, A, 1 and Z: what can't type these reads no codes."""


class Keymap:
    """Follows one keyboard's modifiers."""

    def __init__(self, layout: Layout = "us") -> None:
        self._passed_over = _KOREAN_ONLY if layout == "kr" else frozenset[int]()
        self._held: set[int] = set()
        self._caps = False
        self._alt_number = ""

    def text(self, code: int, value: int) -> str:
        """What an event types, mostly one letter or nothing."""
        if code in self._passed_over:
            return ""
        if code in _SHIFT | _CTRL | _ALT:
            return self._modifier(code, value)
        if value == KEY_UP:
            return ""
        if code == _CAPS_LOCK:
            self._caps ^= value == KEY_DOWN
            return ""
        if self._held & _ALT:
            self._alt_number += _PAD.get(code, "")
            return ""
        letter = self._letter(code)
        if self._held & _CTRL:  # control characters: Ctrl+] is the group separator of GS1 codes
            return chr(ord(letter.upper()) & 31) if "@" <= letter.upper() <= "_" else ""
        return letter

    def _modifier(self, code: int, value: int) -> str:
        if value != KEY_UP:
            self._held.add(code)
            return ""
        self._held.discard(code)
        number, self._alt_number = self._alt_number, ""
        # "Universal keyboard" mode: Alt held, a character's number on the pad, Alt let go.
        if code in _ALT and number and int(number) < 0x110000:
            return chr(int(number))
        return ""

    def _letter(self, code: int) -> str:
        if code in _PAD:
            return _PAD[code]
        shifted = bool(self._held & _SHIFT)
        plain = _PLAIN.get(code, "")
        if plain.isalpha() and self._caps:
            shifted = not shifted
        return _SHIFTED.get(code, plain) if shifted else plain
