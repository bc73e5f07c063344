"""What a source yields: frames and notices. Loads OpenCV, with its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

# Read by OpenCV when it loads: quiet, and no picture beyond 100 megapixels (a decompression bomb
# in an image folder).
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.readers.protocol import State

__all__ = ["Frame", "Gray", "Item", "Notice", "WrongFormatError", "cv2", "np", "to_gray"]

Gray = npt.NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX, FRAMES_S = 1280, 720, 15
"""What is asked of a camera: FINDINGS §1 found no gain in more."""
_SIDE_PX_MIN = 64
"""A smaller picture holds no code that anything reads."""


class WrongFormatError(Exception):
    """The source sends pictures that nothing can be made of."""


@dataclass(frozen=True)
class Frame:
    """One picture. `still` names the showing of an image, which is decoded only once;
    `position` is set where the source can be resumed, so it is empty for what is live.
    """

    gray: Gray
    boot_ms: int
    still: str = ""
    position: str = ""


@dataclass(frozen=True)
class Notice:
    """The source's state has changed; no picture."""

    state: State
    detail: str
    position: str = ""
    advice: str = ""


Item = Frame | Notice


def to_gray(frame: Any) -> Gray:
    """Whatever a driver hands over, as grey bytes. WrongFormatError where it is no picture."""
    if frame.ndim not in {2, 3} or min(frame.shape[:2]) < _SIDE_PX_MIN:
        raise WrongFormatError(_shape(frame))
    if frame.dtype == np.uint16:  # grey of 10–16 bits, as infrared and industrial cameras send
        top = max(255, int(frame.max()))
        frame = (frame.astype(np.float32) * (255.0 / top)).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise WrongFormatError(_shape(frame))
    if frame.ndim == 2:
        return np.asarray(frame)
    channels = frame.shape[2]
    if channels in {1, 2}:  # grey, or YUYV as it comes: every first byte is the brightness
        return np.ascontiguousarray(frame[:, :, 0])
    if channels not in {3, 4}:
        raise WrongFormatError(_shape(frame))
    code = cv2.COLOR_BGR2GRAY if channels == 3 else cv2.COLOR_BGRA2GRAY
    return np.asarray(cv2.cvtColor(frame, code), np.uint8)


def _shape(frame: Any) -> str:
    size = "×".join(str(n) for n in reversed(frame.shape[:2])) or "nothing"
    channels = frame.shape[2] if frame.ndim > 2 else 1
    return f"{size}, {channels} channels of {frame.dtype}"
