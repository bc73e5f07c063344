"""The gate's knowledge of the server's time, kept over restarts in `DIR/clock.json`.

`shared.timekeeping` holds the rules; this holds the anchors. Any thread may call it.
"""

import threading
from pathlib import Path

import msgspec

from edge_agent.durable_file import write_whole
from edge_agent.ports import Clock
from shared import timekeeping
from shared.model import Moment
from shared.timekeeping import Anchor, Quality, Sealed, Stamp

BOOTS_KEPT_MAX = 32
SAVE_INTERVAL_MS = 60_000  # a card wears; an anchor a minute old is as good


class Timekeeper:
    """Anchors by boot. `enrolled_at_ms`: server time that had passed before the first scan."""

    def __init__(
        self, clock: Clock, path: Path | None = None, *, enrolled_at_ms: int | None = None
    ) -> None:
        self._clock = clock
        self._path = path
        self._enrolled_at_ms = enrolled_at_ms
        self._boot_id = clock.boot_id()
        self._lock = threading.Lock()
        self._anchors = {} if path is None else _load(path)
        self._saved_boot_ms: int | None = None

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def boot_ms(self) -> int:
        return self._clock.boot_ms()

    def wall_ms(self) -> int:
        return self._clock.wall_ms()

    def now(self) -> tuple[Moment, Quality]:
        """The best knowledge of the time now, and how good it is."""
        return self.at(self._clock.boot_ms(), self._clock.wall_ms())

    def at(self, boot_ms: int, wall_ms: int) -> tuple[Moment, Quality]:
        """The same for what both clocks said at one moment of this boot."""
        with self._lock:
            anchor = self._anchors.get(self._boot_id) or next(
                reversed(self._anchors.values()), None
            )
        return timekeeping.estimate(anchor, self._boot_id, boot_ms, wall_ms)

    @property
    def synced(self) -> bool:
        """Whether this boot has met the server's clock."""
        with self._lock:
            return self._boot_id in self._anchors

    def offset_ms(self) -> int | None:
        """How far the wall clock is ahead of the server's; None while that is not known."""
        moment, quality = self.now()
        return self._clock.wall_ms() - moment.at_ms if quality == "synced" else None

    def learn(self, t1_ms: int, t2_ms: int, t3_ms: int, t4_ms: int) -> bool:
        """Take in one exchange (boot ms, server ms, server ms, boot ms); whether it was usable."""
        wall_ms = self._clock.wall_ms()
        new = timekeeping.measure(self._boot_id, t1_ms, t2_ms, t3_ms, t4_ms, wall_ms)
        if new is None:
            return False
        with self._lock:
            best = timekeeping.better(self._anchors.get(self._boot_id), new)
            self._anchors[self._boot_id] = best
            while len(self._anchors) > BOOTS_KEPT_MAX:
                self._anchors.pop(next(iter(self._anchors)))
        return True

    def seal(self, stamps: list[Stamp], previous_ms: int) -> list[Sealed]:
        """Final times for unsealed entries; call when `synced`, so that bounds are known."""
        with self._lock:
            anchors = list(self._anchors.values())
        after_ms = self._enrolled_at_ms
        return timekeeping.seal(stamps, anchors, after_ms=after_ms, previous_ms=previous_ms)

    def save(self) -> None:
        """Write the anchors down, at most once a minute. Blocks for a disk sync: not on the lane."""
        now_ms = self._clock.boot_ms()
        with self._lock:
            fresh = self._saved_boot_ms is None or now_ms - self._saved_boot_ms >= SAVE_INTERVAL_MS
            if self._path is None or self._boot_id not in self._anchors or not fresh:
                return
            self._saved_boot_ms = now_ms
            data = msgspec.json.encode(list(self._anchors.values()))
        write_whole(self._path, data)


def _load(path: Path) -> dict[str, Anchor]:
    """Anchors of earlier boots, oldest first; a damaged file is no more than a lost hint."""
    try:
        anchors = msgspec.json.decode(path.read_bytes(), type=list[Anchor])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return {anchor.boot_id: anchor for anchor in anchors[-BOOTS_KEPT_MAX:]}
