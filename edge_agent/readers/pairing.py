"""While an operator pairs a badge: which unknown one is nearest? Any thread may ask."""

from __future__ import annotations

import threading
from typing import NamedTuple

from edge_agent import system_clock
from edge_agent.readers.adverts import Identity
from shared.limits import PAIRING_UNKNOWN_MAX

_FRESH_MS = 5_000
_KEPT = 0.7
"""Of the strength so far; the rest is the newest. A badge that is held to the gate is 20 dB above
those in the room: a rough mean will do."""


class Unknown(NamedTuple):
    canonical: str
    rssi: float


class NearestUnknown:
    """Listens only between `open` and its end; then everything is forgotten."""

    def __init__(self) -> None:
        self._until_ms = 0
        self._found: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def open(self, until_ms: int) -> None:
        """Listen until then, in ms since boot; 0 ends it."""
        with self._lock:
            self._until_ms = until_ms
            if until_ms <= system_clock.boot_ms():
                self._found.clear()

    def heard(self, frame: Identity, rssi: float) -> None:
        if not self._until_ms:
            return
        now_ms = system_clock.boot_ms()
        with self._lock:
            if now_ms >= self._until_ms:
                self._until_ms = 0
                self._found.clear()
                return
            before = self._found.pop(frame.canonical, (rssi, 0))[0]
            self._found[frame.canonical] = (_KEPT * before + (1 - _KEPT) * rssi, now_ms)
            while len(self._found) > PAIRING_UNKNOWN_MAX:
                weakest = min(self._found, key=lambda name: self._found[name][0])
                del self._found[weakest]

    def nearest(self) -> Unknown | None:
        now_ms = system_clock.boot_ms()
        with self._lock:
            fresh = [
                Unknown(name, round(rssi, 1))
                for name, (rssi, at_ms) in self._found.items()
                if now_ms - at_ms <= _FRESH_MS
            ]
        return max(fresh, key=lambda one: one.rssi, default=None)
