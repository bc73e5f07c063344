"""Battery, temperature and throttling, where the board tells: small files of the kernel's."""

from contextlib import suppress
from pathlib import Path
from typing import Any

HOT_C = 75
_THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
_NOW_BITS = 0xF  # under-voltage, capped, throttled, soft limit: now (the higher bits: ever)


def power(sys: Path = Path("/sys")) -> dict[str, Any]:
    """`batteryPercent`, `charging`, `temperatureC`, `throttled`; what is not known is left out."""
    said: dict[str, Any] = {}
    for supply in sorted((sys / "class/power_supply").glob("*")):
        level = _number(supply / "capacity")
        if level is not None and _text(supply / "type") == "Battery":
            said["batteryPercent"] = level
            said["charging"] = _text(supply / "status") != "Discharging"
            break
    heat = _number(sys / "class/thermal/thermal_zone0/temp")
    if heat is not None:
        said["temperatureC"] = round(heat / 1_000, 1)
    throttled = _text(sys / _THROTTLED)
    if throttled:
        with suppress(ValueError):
            said["throttled"] = bool(int(throttled, 16) & _NOW_BITS)
    return said


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdecimal() else None
