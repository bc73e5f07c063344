"""From a grey picture to the payloads of the QR codes in it.

The first try is zxing-cpp with its defaults: the best single library on real photographs and
1–2 ms a frame (FINDINGS §1). When it finds nothing and the caller says that more is worth it,
further tries follow in the order of what they added per millisecond on the synthetic sets and
on real photographs (`make bench` prints both), until one finds something or the budget is
spent. Most even out the light first; one flattens codes that were found but not read (`rescue`).

A decoder may crash or hang (open reports against zbar): the agent calls this in a child
process, see `worker`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import zxingcpp

from edge_agent import system_clock
from edge_agent.readers import light, rescue
from edge_agent.readers.frames import Gray, cv2
from edge_agent.readers.payload import clean

BUDGET_MS = 120.0
"""Milliseconds after which no further try is begun; on a Pi 4 that is the first six or so."""
STILL_BUDGET_MS = 2000.0
"""For a picture that nobody stands before: a printer's proof."""
_PIXELS_MAX = 2_500_000
"""A larger picture is shrunk to about 1280 pixels first; a camera at 1080p is not."""
_SMALL_PX = 160
"""A picture narrower than this is not halved: its modules would melt."""
_SHRINKING = ("half", "third", "narrowed")
_FINDS_MAX = 16

_QR: Any = [zxingcpp.BarcodeFormat.QRCodeModel2, zxingcpp.BarcodeFormat.QRCodeModel1]
"""Not `QRCode`, which means Micro QR too: nobody prints tickets so, and clutter reads as its digits."""
_LOCAL: Any = zxingcpp.Binarizer.LocalAverage
_GLOBAL: Any = zxingcpp.Binarizer.GlobalHistogram
_FIXED: Any = zxingcpp.Binarizer.FixedThreshold
# One core is all that a gate gives the camera; OpenCV would take every one.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Decoded:
    """The payloads of one picture, and which try found them (empty when none did)."""

    payloads: tuple[bytes, ...]
    found_by: str


def decode(
    gray: Gray,
    *,
    thorough: bool = True,
    budget_ms: float = BUDGET_MS,
    clock_s: Callable[[], float] = system_clock.monotonic_s,
) -> Decoded:
    """Return the payloads in a grey picture; without `thorough` by the first try alone."""
    if gray.size == 0:
        return Decoded((), "")
    end_s = clock_s() + budget_ms / 1000
    picture = _Picture(gray, lambda: clock_s() < end_s)
    for name, attempt in _tries(gray):
        payloads = tuple(dict.fromkeys(p for p in map(clean, attempt(picture)) if p))
        if payloads:
            return Decoded(payloads, name)
        if not thorough or not picture.go_on():
            break
    return Decoded((), "")


class _Picture:
    """A picture and what the tries learn of it."""

    def __init__(self, gray: Gray, go_on: Callable[[], bool]) -> None:
        self.gray = gray
        self.go_on = go_on
        self.finds: list[rescue.Found] = []

    @cached_property
    def half(self) -> Gray:
        return light.scaled(self.gray, 0.5)

    def zxing(self, image: Gray, binarizer: Any = _LOCAL, scale: float = 1.0) -> list[bytes]:
        """Read; codes that are found but not read are kept for the rescue. `scale` is the
        picture's size over the image's, 0 where failures are of no interest (they cost a third).
        """
        barcodes = zxingcpp.read_barcodes(
            image,
            formats=_QR,
            binarizer=binarizer,
            text_mode=zxingcpp.TextMode.Plain,
            return_errors=bool(scale),
        )
        if scale and len(self.finds) < _FINDS_MAX:
            self.finds += rescue.found(barcodes, scale)
        return [_utf8(bytes(one.bytes), one) for one in barcodes if one.valid]

    def half_zxing(self, image: Gray, binarizer: Any = _LOCAL) -> list[bytes]:
        return self.zxing(image, binarizer, 2.0)


Try = Callable[[_Picture], list[bytes]]


def _tries(gray: Gray) -> Iterator[tuple[str, Try]]:
    if gray.size > _PIXELS_MAX:
        yield "zxing shrunk", lambda p: p.zxing(_shrunk(p.gray), scale=0)
    yield "zxing", lambda p: p.zxing(p.gray, scale=0)
    too_small = min(gray.shape) < _SMALL_PX
    yield from (one for one in _TRIES if not (too_small and one[0].startswith(_SHRINKING)))


def _utf8(payload: bytes, barcode: Any) -> bytes:
    """The payload itself, not zxing's text, which rewrites control characters (FINDINGS §1);
    only where that is no UTF-8 (Shift-JIS, EUC-KR) its text, which knows the character set.
    """
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return str(barcode.text).encode()
    return payload


def _rescued(picture: _Picture) -> list[bytes]:
    payloads: list[bytes] = []
    finds, picture.finds = rescue.distinct(picture.finds), []
    for one in finds:
        for redrawn in rescue.redrawn(picture.gray, one, picture.go_on):
            if read := picture.zxing(redrawn, scale=0):
                payloads += read
                break
        if not picture.go_on():
            break
    return payloads


def _shrunk(gray: Gray) -> Gray:
    return light.scaled(gray, 1280 / max(gray.shape))


def _zbar(gray: Gray) -> list[bytes]:
    from pyzbar import pyzbar  # needs libzbar0 of the system: late, so that the rest goes without

    with _quiet_stderr():
        found = pyzbar.decode(gray, symbols=[pyzbar.ZBarSymbol.QRCODE])
    # zbar guesses the character set and guesses Korean wrongly; a wrong text is worse than none.
    return [symbol.data for symbol in found if symbol.data.isascii()]


def _zbar_if_there(gray: Gray) -> list[bytes]:
    global _zbar_missing  # noqa: PLW0603 - found out once a process, at the first hard picture
    if _zbar_missing:
        return []
    try:
        return _zbar(gray)
    except ImportError:
        _zbar_missing = True
        return []


_zbar_missing = False


def _cv2(gray: Gray) -> list[bytes]:
    try:
        _, texts, _, _ = cv2.QRCodeDetector().detectAndDecodeMulti(gray)
    except (cv2.error, UnicodeDecodeError):  # on binary payloads, and on some clutter
        return []
    return [text.encode() for text in texts if text and text.isascii()]


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence zbar, which prints its assertions to standard error from C."""
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


_TRIES: tuple[tuple[str, Try], ...] = (
    ("half global", lambda p: p.half_zxing(p.half, _GLOBAL)),
    ("half adaptive", lambda p: p.half_zxing(light.adaptive(p.half, 31, 5), _FIXED)),
    ("global", lambda p: p.zxing(p.gray, _GLOBAL)),
    ("brightened", lambda p: p.zxing(light.gamma(p.gray, 0.4))),
    ("half sharpened", lambda p: p.half_zxing(light.sharpened(p.half, 2, 3))),
    ("half paper", lambda p: p.half_zxing(light.paper_divided(p.half, 31))),
    ("rescue", lambda p: p.zxing(p.gray) or _rescued(p)),
    ("third zbar", lambda p: _zbar_if_there(light.scaled(p.gray, 1 / 3))),
    ("half stretched", lambda p: p.half_zxing(light.stretched(p.half, 25, 15), _FIXED)),
    ("half high adaptive", lambda p: p.half_zxing(light.adaptive(p.half, 31, 10), _FIXED)),
    ("narrowed", lambda p: p.zxing(light.narrowed(p.gray), scale=0)),
    ("half equalised", lambda p: p.half_zxing(light.equalised(p.half))),
    ("half zbar", lambda p: _zbar_if_there(p.half)),
    ("half normalised", lambda p: p.half_zxing(light.normalised(p.half, 31))),
    ("adaptive", lambda p: p.zxing(light.adaptive(p.gray, 61, 0), _FIXED)),
    ("local contrast", lambda p: p.zxing(light.local_contrast(p.gray))),
    ("opened", lambda p: p.zxing(light.opened(p.gray))),
    ("sharpened", lambda p: p.zxing(light.sharpened(p.gray, 2, 1.5))),
    ("rescue again", _rescued),
    ("double sharpened", lambda p: p.zxing(light.sharpened(light.scaled(p.gray, 2), 2, 1.5), scale=0.5)),
    ("sharpened more", lambda p: p.zxing(light.sharpened(p.gray, 4, 3))),
    ("zbar", lambda p: _zbar_if_there(p.gray)),
    ("half cv2", lambda p: _cv2(p.half)),
)  # fmt: skip
