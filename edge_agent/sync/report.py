"""What the sync tells others: the kiosk, `edge-agent status`, the server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_agent.ports import ReaderHealth
from shared.wire import ClockStatus


@dataclass(frozen=True, slots=True)
class GateHealth:
    """What the rest of the agent knows of itself, for `sync/status`."""

    readers: list[ReaderHealth] = field(default_factory=list)
    disk: dict[str, Any] = field(default_factory=dict)
    power: dict[str, Any] = field(default_factory=dict)


HealthSource = Callable[[], GateHealth]


@dataclass(frozen=True, slots=True)
class SyncState:
    """How the sync stands. Times are epoch ms by the gate's best knowledge of the server's time.

    `alarms`: `device_revoked`, `device_unconfirmed`, `replica_differs`, `server_newer`, `card_rolled_back`,
    `entries_unusable`, `entries_mismatch`, `unsynced_clock`. `last_error`: the latest failure in words, while it lasts.
    """

    online: bool
    offline_since_ms: int | None
    last_sync_ms: int | None
    waiting: int
    acknowledged: int
    cursor: str | None
    generation: str | None
    replica_age_s: float | None
    clock: ClockStatus
    revoked: bool
    alarms: tuple[str, ...]
    last_error: str | None
    unusable: int
    mismatches: int
