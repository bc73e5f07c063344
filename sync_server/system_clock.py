"""The one place in the server that reads a clock (STYLE habit 2)."""

import time


def now_ms() -> int:
    """Milliseconds since 1970 in UTC: the server's time, which everything else is measured by."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds since some moment, for measuring how long something takes."""
    return time.monotonic()
