"""A keyboard scanner without a kernel device: key events through a pipe."""

import os
import struct

from edge_agent.readers.keymap import _PLAIN, _SHIFTED, KEY_DOWN, KEY_UP, Keymap, Layout

_EVENT = struct.Struct("<HB")
_LEFT_SHIFT = 42


def strokes(text: str) -> list[tuple[int, int]]:
    """The events that a scanner sends for a text, each key down and up, with Shift where needed."""
    plain = {letter: code for code, letter in reversed(_PLAIN.items())}
    shifted = {letter: code for code, letter in _SHIFTED.items() if letter not in plain}
    events: list[tuple[int, int]] = []
    for letter in text:
        key = [(plain.get(letter) or shifted[letter], KEY_DOWN)]
        key += [(key[0][0], KEY_UP)]
        if letter not in plain:
            key = [(_LEFT_SHIFT, KEY_DOWN), *key, (_LEFT_SHIFT, KEY_UP)]
        events += key
    return events


class PipedKeyboard:
    name = "Test Barcode Scanner"

    def __init__(self, layout: Layout = "us") -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        self._keys = Keymap(layout)
        self._plugged = True
        self.closed = False

    def fileno(self) -> int:
        return self._out

    def read(self) -> str:
        try:
            data = os.read(self._out, 4096 // _EVENT.size * _EVENT.size)
        except BlockingIOError:
            return ""
        if not data:
            raise OSError(19, "No such device")
        return "".join(self._keys.text(code, value) for code, value in _EVENT.iter_unpack(data))

    def type(self, text: str) -> None:
        os.write(self._in, b"".join(_EVENT.pack(*event) for event in strokes(text)))

    def unplug(self) -> None:
        if self._plugged:
            self._plugged = False
            os.close(self._in)

    def close(self) -> None:
        self.unplug()
        os.close(self._out)
        self.closed = True
