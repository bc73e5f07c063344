"""What kind of camera source does the operator's text name? Pure but for looking at the disk."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Literal

Kind = Literal["off", "camera", "pi", "stream", "folder", "image", "video"]

_PI = re.compile(r"(?:pi|libcamera)(?::[0-9])?")

IMAGE_ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".pgm", ".tif", ".tiff"))


def source_kind(source: str) -> Kind:
    """Tell by form, and for paths by what stands there; a path that is not there yet and has
    no ending is taken for a folder to come.
    """
    if source in ("", "off"):
        return "off"
    if source.isdecimal():
        return "camera"
    if _PI.fullmatch(source):
        return "pi"
    if "://" in source:
        return "stream"
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.suffix.lower() in IMAGE_ENDINGS:
        return "image"
    if source.startswith("/dev/") or _is_device(path):
        return "camera"
    return "video" if path.suffix or path.exists() else "folder"


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False
