"""Which cameras this machine has, by V4L2's own word. Imports no OpenCV."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import NamedTuple

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_CAN_CAPTURE = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, …_MPLANE
_HAS_DEVICE_CAPS = 0x80000000

PI_DRIVERS = frozenset(("unicam", "rp1-cfe", "bcm2835-unicam"))
"""Raw sensors of the Pi's camera port: they need libcamera."""


class Camera(NamedTuple):
    path: str
    card: str
    driver: str
    captures: bool
    error: int = 0  # errno where it could not be asked


def device_path(source: str) -> str:
    return f"/dev/video{source}" if source.isdecimal() else source


def cameras(folder: Path = Path("/dev")) -> list[Camera]:
    """All video devices in order of number."""
    paths = [p for p in folder.glob("video*") if p.name[5:].isdecimal()]
    return [_asked(path) for path in sorted(paths, key=lambda p: int(p.name[5:]))]


def describe(found: list[Camera]) -> str:
    """One sentence for an installer."""
    if not found:
        return "This machine has no other camera."
    return f"There is: {', '.join(f'{camera.path} ({camera.card})' for camera in found)}."


def described_all() -> str:
    """What an installer may name as the camera."""
    there = [camera for camera in cameras() if camera.captures]
    pi = any(camera.driver in PI_DRIVERS for camera in there)
    usual = [camera for camera in there if camera.driver not in PI_DRIVERS]
    if not there:
        return "No camera is plugged in."
    own = " The Pi's own camera: name it `pi`." if pi else ""
    return f"{describe(usual) if usual else ''}{own}".strip()


def _asked(path: Path) -> Camera:
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return Camera(str(path), "not to be opened", "", captures=False, error=error.errno or 0)
    try:
        answer = fcntl.ioctl(device, _QUERYCAP, bytes(_CAPABILITY.size))
    except OSError as error:
        return Camera(str(path), "no camera", "", captures=False, error=error.errno or 0)
    finally:
        os.close(device)
    driver, card, _, _, all_caps, own_caps = _CAPABILITY.unpack(answer)
    caps = own_caps if all_caps & _HAS_DEVICE_CAPS else all_caps
    return Camera(str(path), _text(card), _text(driver), captures=bool(caps & _CAN_CAPTURE))


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace")
