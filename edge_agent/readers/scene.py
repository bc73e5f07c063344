"""Is there something in the picture that is worth the slower tries, and is the picture any good?

An empty gate must cost next to nothing, and a hard ticket deserves all the tries. So the slow
ones run at most twice a second, only after three misses in a row, and only while the picture
differs from what the camera saw during the last ten seconds or so (FINDINGS §1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]

_MISSES_BEFORE = 3
_SLOW_EVERY_MS = 500
_THUMB_PX = (32, 18)
_BACKGROUND_MS = 10_000
"""Time constant of the remembered background: a ticket held still stays of interest so long."""
_CHANGED_LEVELS = 14.0
"""A cell of the thumbnail differs when it is this many grey levels off; noise averages to ±2."""
_CHANGED_CELLS = 4
"""Cells of 32×18 that must differ: at 1280×720 about 80×80 pixels, the smallest readable code."""
_DARK_LEVEL = 28.0
"""Black of a camera in limited range is 16; a covered lens adds a little noise."""
_WHITE_LEVEL, _WHITE_SHARE = 248.0, 0.75
_PLAIN_LEVELS = 1.2
"""A thumbnail with less spread is one shade: a covered lens, or a camera without a sensor."""
_FROZEN_FRAMES = 45
"""Frames identical to the last bit: a real sensor's noise never repeats (3 s at 15 a second)."""
_TROUBLED_FRAMES = 15
"""A phone held to the lens darkens one frame, not a second of them."""


class Trouble(NamedTuple):
    """What is wrong with the picture, and what a person can do."""

    detail: str
    advice: str


BLACK = Trouble("The picture is black.", "Take what covers the lens away, or put the light on.")
WHITE = Trouble("The picture is white, overexposed.", "Turn the camera away from the light.")
PLAIN = Trouble("The picture is all one shade.", "Clean the lens and look whether it is covered.")
FROZEN = Trouble(
    "The picture is frozen: the same frame comes again and again.",
    "The camera is opened anew by itself; if this goes on, unplug it and plug it in again.",
)


class Scene:
    """Follows the pictures of one live camera. Times are arguments, in milliseconds."""

    def __init__(self) -> None:
        self._background: npt.NDArray[np.float32] | None = None
        self._misses = 0
        self._slow_ms: int | None = None
        self._last_ms = 0
        self._last_print = 0
        self._same_frames = 0
        self._suspected: Trouble | None = None
        self._suspected_frames = 0

    def look(self, gray: Gray, at_ms: int) -> bool:
        """Take in a frame that the first try did not read; true if the slow tries are due."""
        thumb = np.asarray(cv2.resize(gray, _THUMB_PX, interpolation=cv2.INTER_AREA), np.float32)
        self._suspect(_trouble_of(thumb))
        self._note_frozen(gray)
        changed = self._changed(thumb, at_ms)
        self._misses += 1
        if not changed or self._misses < _MISSES_BEFORE:
            return False
        if self._slow_ms is not None and at_ms - self._slow_ms < _SLOW_EVERY_MS:
            return False
        self._slow_ms = at_ms
        return True

    def hit(self, gray: Gray) -> None:
        """A code was read: the picture is good, but it may still be an old one."""
        self._misses = 0
        self._suspect(None)
        self._note_frozen(gray)

    def trouble(self) -> Trouble | None:
        if self._suspected is not None and self._suspected_frames >= _TROUBLED_FRAMES:
            return self._suspected
        return FROZEN if self._same_frames >= _FROZEN_FRAMES else None

    def _suspect(self, trouble: Trouble | None) -> None:
        self._suspected_frames = self._suspected_frames + 1 if trouble is self._suspected else 1
        self._suspected = trouble

    def _note_frozen(self, gray: Gray) -> None:
        print_ = hash(gray[::16].tobytes())
        self._same_frames = self._same_frames + 1 if print_ == self._last_print else 0
        self._last_print = print_

    def _changed(self, thumb: npt.NDArray[np.float32], at_ms: int) -> bool:
        if self._background is None:
            self._background = thumb
            self._last_ms = at_ms
            return True  # the first picture may hold a ticket already
        difference: Any = np.abs(thumb - self._background)
        share = min(1.0, max(0, at_ms - self._last_ms) / _BACKGROUND_MS)
        self._background = self._background + np.float32(share) * (thumb - self._background)
        self._last_ms = at_ms
        return int((difference > _CHANGED_LEVELS).sum()) >= _CHANGED_CELLS


def _trouble_of(thumb: npt.NDArray[np.float32]) -> Trouble | None:
    if float(thumb.max()) < _DARK_LEVEL:
        return BLACK
    if float((thumb > _WHITE_LEVEL).mean()) > _WHITE_SHARE:
        return WHITE
    return PLAIN if float(thumb.std()) < _PLAIN_LEVELS else None
