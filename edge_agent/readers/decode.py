"""From a grey picture to the payloads of the QR codes in it.

The first try is zxing-cpp with its defaults: the best single library on real photographs and
1–2 ms a frame (FINDINGS §1). When it finds nothing and the caller says that more is worth it,
further tries follow in the order of what they added per millisecond on the synthetic set and
on real photographs (`make bench` prints both), until one finds something or the budget is
spent. Most of them even out the light first, because glare is where zxing leaves most.

A decoder may crash or hang (open reports against zbar): the agent calls this in a child
process, see `worker`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from edge_agent import system_clock
from edge_agent.readers.payload import clean

# Typed loosely: zxing-cpp and zbar ship no types, and OpenCV's differ between its versions 4 and 5.
Gray = npt.NDArray[np.uint8]

BUDGET_MS = 120.0
"""Milliseconds after which no further try is begun; on a Pi 4 that is the first six or so."""
_PIXELS_MAX = 2_500_000
"""A larger picture is shrunk to about 1280 pixels first; a camera at 1080p is not."""
_SMALL_PX = 400
"""A picture narrower than this is not halved: its modules would melt."""

_QR: Any = zxingcpp.BarcodeFormat.QRCode
# One core is all that a gate gives the camera; OpenCV would take every one.
cv2.setNumThreads(1)

Try = Callable[[Gray], list[bytes]]


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
    for name, attempt in _tries(gray):
        payloads = tuple(dict.fromkeys(p for p in map(clean, attempt(gray)) if p))
        if payloads:
            return Decoded(payloads, name)
        if not thorough or clock_s() >= end_s:
            break
    return Decoded((), "")


def _tries(gray: Gray) -> Iterator[tuple[str, Try]]:
    if gray.size > _PIXELS_MAX:
        yield "zxing shrunk", lambda g: _zxing(_shrunk(g))
    yield "zxing", _zxing
    if min(gray.shape) >= _SMALL_PX:
        yield from _TRIES_HALF
    yield from _TRIES_FULL


def _zxing(gray: Gray, binarizer: Any = zxingcpp.Binarizer.LocalAverage) -> list[bytes]:
    found = zxingcpp.read_barcodes(
        gray,
        formats=_QR,
        binarizer=binarizer,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [_utf8(bytes(barcode.bytes), barcode) for barcode in found]


def _utf8(payload: bytes, barcode: Any) -> bytes:
    """The payload itself, not zxing's text, which rewrites control characters (FINDINGS §1);
    only where that is no UTF-8 (Shift-JIS, EUC-KR) its text, which knows the character set.
    """
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return str(barcode.text).encode()
    return payload


def _global(gray: Gray) -> list[bytes]:
    """One threshold for the whole picture: right where light is even and the code is small."""
    return _zxing(gray, zxingcpp.Binarizer.GlobalHistogram)


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


def _scaled(gray: Gray, factor: float) -> Gray:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return _u8(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=way))


def _half(gray: Gray) -> Gray:
    return _scaled(gray, 0.5)


def _shrunk(gray: Gray) -> Gray:
    return _scaled(gray, 1280 / max(gray.shape))


def _adaptive(gray: Gray, block_px: int = 31) -> Gray:
    """Black where darker than the neighbourhood: glare and shadow fall away."""
    return _u8(
        cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block_px, 5)
    )


def _equalised(gray: Gray) -> Gray:
    """Contrast stretched region by region (CLAHE): dim pictures."""
    return _u8(cv2.createCLAHE(8.0, (4, 4)).apply(gray))


def _paper_divided(gray: Gray, blur_px: int) -> Gray:
    """Divide by the brightness of the paper around: glare, creases."""
    brush = cv2.getStructuringElement(cv2.MORPH_RECT, (15, 15))
    paper = cv2.blur(cv2.morphologyEx(gray, cv2.MORPH_CLOSE, brush), (blur_px, blur_px))
    return _u8(cv2.divide(gray, paper, scale=255))


def _local_contrast(gray: Gray) -> Gray:
    """Twice the difference to the neighbourhood's mean."""
    mean = cv2.blur(gray, (41, 41))
    return _u8(cv2.addWeighted(gray, 2.0, mean, -2.0, 128))


def _sharpened(gray: Gray) -> Gray:
    """Unsharp mask: codes of two pixels a module, and slight defocus."""
    soft = cv2.GaussianBlur(gray, (0, 0), 2)
    return _u8(cv2.addWeighted(gray, 2.5, soft, -1.5, 0))


def _u8(image: Any) -> Gray:
    return np.asarray(image, np.uint8)


_TRIES_HALF: tuple[tuple[str, Try], ...] = (
    ("half adaptive", lambda g: _global(_adaptive(_half(g)))),
    ("half paper", lambda g: _zxing(_paper_divided(_half(g), 31))),
    ("half equalised", lambda g: _zxing(_equalised(_half(g)))),
)
_TRIES_FULL: tuple[tuple[str, Try], ...] = (
    ("global", _global),
    ("adaptive", lambda g: _global(_adaptive(g))),
    ("paper", lambda g: _zxing(_paper_divided(g, 61))),
    ("local contrast", lambda g: _zxing(_local_contrast(g))),
    ("sharpened", lambda g: _zxing(_sharpened(g))),
    ("half zbar", lambda g: _zbar_if_there(_half(g))),
    ("double", lambda g: _zxing(_scaled(g, 2.0))),
    ("wide adaptive", lambda g: _zxing(_adaptive(g, 101))),
    ("zbar", _zbar_if_there),
    ("double sharpened", lambda g: _zxing(_sharpened(_scaled(g, 2.0)))),
)
