"""What the lane and the commands need of the world; storage, readers and hardware provide it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from shared.beacon_settings import BeaconSettings
from shared.model import NOWHERE, Decision, Direction, Moment, Override, Presence
from shared.reasons import Reason


class Sighting(msgspec.Struct, frozen=True):
    """Something a reader saw. `boot_ms` is CLOCK_BOOTTIME in milliseconds."""

    kind: str  # "qr" (camera, hand scanner) | "beacon" | "typed"
    payload: str
    strength: float | None
    boot_ms: int
    source: str
    digest: str | None = None  # of the credential, where the reader had to know it (rotating ids)


Emit = Callable[[Sighting], None]
"""Takes a sighting from a reader: never blocks, never raises."""

ReaderState = Literal["running", "waiting", "missing", "failed", "off"]
"""running: it sees. waiting: it would see, but nothing is there (yet). missing: its device is not
there, tried again by itself. failed: there, but of no use, tried again by itself. off: switched off.
"""


@dataclass(frozen=True, slots=True)
class ReaderHealth:
    """How a reader is, in one plain line, what a person can do about it, and figures."""

    name: str
    state: str  # a ReaderState
    detail: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    advice: str = ""


class Reader(Protocol):
    """Sees credentials. `tests/contracts/test_reader.py` holds each reader to this:

    - `run` sees until it is cancelled, then lets go of its device at once; it can be run again.
    - What goes wrong outside (device gone, wrong, in use, silent) is no end and no exception: it
      shows in `health`, and `run` tries again by itself, each wait bounded.
    - Sightings carry the reader's name as `source` and CLOCK_BOOTTIME of when it was seen; what is
      still in view is one sighting; control characters are no part of a payload.
    - `health` answers at once, from any thread, before, during and after `run`.

    Each reader has a thread and an event loop of its own (`readers.host`), so one that blocks or
    dies never holds up another.
    """

    name: str

    async def run(self, emit: Emit) -> None: ...

    def health(self) -> ReaderHealth: ...


class Badge(msgspec.Struct, frozen=True):
    """A beacon that is a credential of this event, by its digest."""

    digest: str
    rotating: bool


class Badges(Protocol):
    """Knows this event's badges, and how this gate wants to take them. One thread, a reader's, but
    for `renew`.
    """

    replayed: int  # rotating ids that came too late to be anything but recordings
    clock_unsure: bool  # so much that rotating ids can't be judged
    settings_fault: str
    rotating_known: int

    def refresh(self) -> BeaconSettings: ...

    def renew(self) -> None:
        """Look which rotating ids are due; it takes a moment. Any thread."""

    def fixed(self, canonical: str) -> Badge | None: ...

    def rotating(self, canonical: str) -> Badge | None: ...


class Barrier(Protocol):
    """Opens for one person. Called only after the scan is durable (P1); never waits."""

    def open(self, scan_id: str) -> None: ...

    def close(self) -> None:
        """The agent stops: leave the barrier as its settings say."""


class Indicator(Protocol):
    """Lights and a buzzer beside the page, or nothing."""

    def show(self, kind: str, sound: str, seconds: float) -> None: ...

    def out_of_order(self, *, now: bool) -> None: ...


class Clock(Protocol):
    """The machine's clocks, and the best knowledge of the server's time."""

    def boot_ms(self) -> int: ...

    def wall_ms(self) -> int: ...

    def boot_id(self) -> str: ...


class Order(msgspec.Struct, frozen=True):
    """What a supervisor decides by hand on a person, a code or a walk-in: one of the three.

    `walk_in` is as the scan records it, sealed to the server (shared.sealed_box).
    """

    override: Override
    admit: bool
    direction: Direction | None = None
    participant_id: str | None = None
    code: str | None = None
    walk_in: dict[str, Any] | None = None


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
    typed: bool = False  # by a person: what can't be read was mistyped
    override: Override | None = None
    method: str = "qr_scan"
    presence: Presence = NOWHERE  # where the person was before
    language: str | None = None  # the person's wish for the kiosk
    forgiven: Reason | None = None  # what an exact clock would have refused for
