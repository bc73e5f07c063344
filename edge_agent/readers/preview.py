"""A small picture of what the camera sees, with a frame around what is read; only while asked for.

In the camera's child: `stdin` lines `preview on` and `preview off` say whether somebody looks.
"""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import zxingcpp

from edge_agent.readers.frames import Gray

EVERY_MS = 200
WIDTH_PX = 480
JPEG_QUALITY = 60
BYTES_MAX = 40_000
_WHITE, _BLACK = 255, 0
_QR: Any = [zxingcpp.BarcodeFormat.QRCodeModel2, zxingcpp.BarcodeFormat.QRCodeModel1]


class Preview:
    """`wanted` is set by the thread that listens to the parent; the rest is the decoder's thread."""

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self._last_ms = -EVERY_MS

    def picture(self, gray: Gray, at_ms: int, *, read: bool) -> bytes | None:
        """A JPEG if somebody looks and it is time for the next one."""
        if not self.wanted.is_set() or at_ms - self._last_ms < EVERY_MS:
            return None
        self._last_ms = at_ms
        height, width = gray.shape[:2]
        size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
        small: Any = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        if read:
            _frame(small)
        fine, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        jpeg = data.tobytes() if fine else b""
        return jpeg if 0 < len(jpeg) <= BYTES_MAX else None


def _frame(small: Gray) -> None:
    """Where the code is, as far as the small picture tells; else around the whole picture."""
    found = zxingcpp.read_barcodes(small, formats=_QR)
    height, width = small.shape[:2]
    corners = [[(4, 4), (width - 5, 4), (width - 5, height - 5), (4, height - 5)]]
    if found:
        corners = [
            [(p.x, p.y) for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)]
            for at in (code.position for code in found)
        ]
    for corner in corners:
        points = np.array(corner, np.int32)
        cv2.polylines(small, [points], isClosed=True, color=_BLACK, thickness=7)
        cv2.polylines(small, [points], isClosed=True, color=_WHITE, thickness=3)
