"""What the relay should do when, and whether the barrier obeyed. Pure: times are arguments (ms)."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

PULSES_WAITING_MAX = 20


@dataclass(frozen=True, slots=True)
class PulseRules:
    pulse_ms: int
    gap_ms: int
    joined: bool  # openings join into one instead of a pulse each
    feedback_ms: int | None  # None: nothing tells whether it moved
    open_ms_max: int


class Event(NamedTuple):
    """`moved`, `not_moved` (of a scan), `held_open`, `forced` (open without a pulse), `closed_again`."""

    kind: str
    scan_id: str | None = None


@dataclass(slots=True)
class Pulses:
    """Ask `relay(now)` and `watch(now, open)` often; `open` adds one person."""

    rules: PulseRules
    waiting: deque[str] = field(default_factory=deque)
    _on: bool = False  # what was last answered
    _until_ms: int = -1
    _next_ms: int = -1
    _unproved: deque[tuple[str, int]] = field(default_factory=deque)
    _open_since_ms: int | None = None
    _told_held: bool = False

    def open(self, scan_id: str, now_ms: int) -> None:
        """A person may pass. Beyond the limit openings join the last one: the door is open anyway."""
        if self.rules.joined and now_ms < self._until_ms:
            self._begin(scan_id, now_ms)
        elif len(self.waiting) < PULSES_WAITING_MAX:
            self.waiting.append(scan_id)

    def relay(self, now_ms: int) -> bool:
        """Whether the relay is to be on now."""
        if now_ms < self._until_ms:
            self._on = True
            return True
        if self._on:  # told only now, perhaps late: the gap begins when the relay falls
            self._on = False
            self._next_ms = now_ms + (0 if self.rules.joined else self.rules.gap_ms)
        if self.waiting and now_ms >= self._next_ms:
            self._begin(self.waiting.popleft(), now_ms)
            while self.rules.joined and self.waiting:
                self._begin(self.waiting.popleft(), now_ms)
            self._on = True
            return True
        return False

    def watch(self, now_ms: int, *, is_open: bool) -> list[Event]:
        """What the feedback input tells."""
        if self.rules.feedback_ms is None:
            return []
        events: list[Event] = []
        if is_open:
            if self._open_since_ms is None:
                self._open_since_ms = now_ms
                if not self._unproved and now_ms >= self._until_ms:
                    events.append(Event("forced"))
            if self._unproved:
                events.append(Event("moved"))
            self._unproved.clear()
            if not self._told_held and now_ms - self._open_since_ms > self.rules.open_ms_max:
                self._told_held = True
                events.append(Event("held_open"))
        else:
            if self._told_held:
                events.append(Event("closed_again"))
            self._open_since_ms, self._told_held = None, False
        while self._unproved and now_ms >= self._unproved[0][1]:
            events.append(Event("not_moved", self._unproved.popleft()[0]))
        return events

    def _begin(self, scan_id: str, now_ms: int) -> None:
        self._until_ms = now_ms + self.rules.pulse_ms
        if self.rules.feedback_ms is not None:
            self._unproved.append((scan_id, now_ms + self.rules.feedback_ms))
