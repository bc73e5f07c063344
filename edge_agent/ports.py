"""What the lane and the commands need of the world; storage, readers and hardware provide it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from shared.model import Decision, Moment


class Sighting(msgspec.Struct, frozen=True):
    """Something a reader saw. `boot_ms` is CLOCK_BOOTTIME in milliseconds."""

    kind: str  # "qr" | "beacon" | "typed"
    payload: str
    strength: float | None
    boot_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class ReaderHealth:
    """A reader's state: `running | waiting | missing | failed | off`, in plain words, with figures."""

    name: str
    state: str
    detail: str = ""
    figures: dict[str, float] = field(default_factory=dict)


class Reader(Protocol):
    """Sees credentials until cancelled; a fault of its own shows in `health`, never as an end."""

    name: str

    async def run(self, emit: Callable[[Sighting], None]) -> None: ...

    def health(self) -> ReaderHealth: ...


class Barrier(Protocol):
    """Opens for one person. Called only after the scan is durable (P1)."""

    def open(self, scan_id: str) -> None: ...


class Clock(Protocol):
    """The machine's clocks, and the best knowledge of the server's time."""

    def boot_ms(self) -> int: ...

    def wall_ms(self) -> int: ...

    def boot_id(self) -> str: ...


class Outcome(msgspec.Struct, frozen=True):
    """A decision as the kiosk, `decide` and the lane's callers see it."""

    decision: Decision
    direction: str
    moment: Moment
    participant_id: str | None
    masked_name: str | None
    scan_id: str | None
    epoch: str | None
    seq: int | None
    processing_ms: float
