"""The one place in the agent that reads a clock (STYLE habit 2)."""

from __future__ import annotations

import time
from pathlib import Path


def boot_ms() -> int:
    """Milliseconds since boot, sleep included (CLOCK_BOOTTIME); never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def wall_ms() -> int:
    """Milliseconds since 1970 in UTC as the device believes; may be wrong and may step."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds since some moment, for measuring how long something takes."""
    return time.monotonic()


def boot_id() -> str:
    """The kernel's id of this boot; `boot_ms` of two boots can't be compared."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def sleep_s(seconds: float) -> None:
    """Wait, in a command that has nothing else to do."""
    time.sleep(seconds)
