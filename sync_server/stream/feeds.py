"""What the live page is told: each feed reads one thing, and knows what of it is new.

A feed is read at most once an interval, whoever watches; `apply` keeps what it found and says which
messages tell the difference, `whole` which tell it all to somebody who has just come.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from sync_server.attendance import review
from sync_server.insight import alerts, outlook, stats, timeline
from sync_server.stream import tail
from sync_server.stream.packets import message

SCAN, GATE, STATS = "scan.merged", "gate.status", "stats.updated"
GATES_KNOWN, ARRIVALS, FORECAST = "gates.known", "arrivals.updated", "forecast.updated"
CONFLICTS, DEVICES_WAITING = "conflicts.updated", "devices.waiting"
PASSED_ON = frozenset({SCAN, alerts.RAISED, alerts.CLEARED, alerts.ACKNOWLEDGED})
READ_ON = PASSED_ON | {GATE, "gate.changed", "gate.created", "device.changed", "device.created"}
SCANS_PER_READ_MAX = 100  # of a backlog only the newest: the figures tell the rest
SCANS_ON_CONNECT = 20
ALERTS_ON_CONNECT = 50
GATES_TOLD_WHOLE_MAX = 20  # of more only those are told anew that moved
CONFLICTS_TOLD_MAX = 50
DECIDED_TOLD_MAX = 10

Now = Callable[[], int]


class Feed(ABC):
    """`interval_s`: read at most that often; `idle_s`: at least that often, even if nothing moves."""

    interval_s: float
    idle_s: float
    of_gates = False  # woken by what gates say of themselves, and not by each commit

    def __init__(self, now_ms: Now) -> None:
        self._now_ms = now_ms

    @abstractmethod
    def read(self, conn: Connection) -> Any: ...

    @abstractmethod
    def apply(self, found: Any) -> list[bytes]: ...

    @abstractmethod
    def whole(self) -> list[bytes]: ...

    def _message(self, kind: str, data: Any) -> bytes:
        return message(kind, data, self._now_ms())


class Figures(Feed):
    """Overall and per gate; the beat by which a page knows that it is connected."""

    interval_s, idle_s = 0.25, 5.0

    def __init__(self, now_ms: Now) -> None:
        super().__init__(now_ms)
        self._held: dict[str, Any] = {}

    def read(self, conn: Connection) -> dict[str, Any]:
        return stats.figures(conn, self._now_ms())

    def apply(self, found: dict[str, Any]) -> list[bytes]:
        before = {gate["gateId"]: gate for gate in self._held.get("gates", ())}
        known = {gate["gateId"] for gate in found["gates"]}
        self._held = found
        if len(known) <= GATES_TOLD_WHOLE_MAX or known != set(before):
            return self.whole()
        moved = [gate for gate in found["gates"] if before[gate["gateId"]] != gate]
        return [self._message(STATS, {**found, "gates": moved, "partial": True})]

    def whole(self) -> list[bytes]:
        return [self._message(STATS, self._held)] if self._held else []


class Gates(Feed):
    """Each device at its gate; a gate without one stands alone."""

    interval_s, idle_s, of_gates = 0.25, 5.0, True

    def __init__(self, now_ms: Now) -> None:
        super().__init__(now_ms)
        self._held: dict[tuple[str, str | None], dict[str, Any]] = {}

    def read(self, conn: Connection) -> list[dict[str, Any]]:
        return tail.device_states(conn, self._now_ms())

    def apply(self, found: list[dict[str, Any]]) -> list[bytes]:
        before, self._held = self._held, {(one["gateId"], one["deviceId"]): one for one in found}
        told = [
            self._message(GATE, one) for key, one in self._held.items() if before.get(key) != one
        ]
        return told if before.keys() == self._held.keys() else [*told, self._known()]

    def whole(self) -> list[bytes]:
        return [*(self._message(GATE, one) for one in self._held.values()), self._known()]

    def _known(self) -> bytes:
        """Those that there are: what is not among them is gone."""
        pairs = [{"gateId": gate, "deviceId": device} for gate, device in self._held]
        return self._message(GATES_KNOWN, {"gates": pairs})


class Happenings(Feed):
    """Scans and alerts as the outbox tells them, each once and in order."""

    interval_s, idle_s = 0.05, 30.0

    def __init__(self, now_ms: Now, gate_news: Callable[[], None]) -> None:
        super().__init__(now_ms)
        self._gate_news = gate_news
        self._through: int | None = None
        self._scans: OrderedDict[str, bytes] = OrderedDict()
        self._alerts: dict[str, bytes] = {}

    def forget(self) -> None:
        """Nobody watched: what happened meanwhile is read whole."""
        self._through = None

    def read(self, conn: Connection) -> Any:
        if self._through is None:
            standing = alerts.page(conn, standing_only=True, before=None, limit=ALERTS_ON_CONNECT)
            return (*tail.last_scans(conn, SCANS_ON_CONNECT), standing["items"])
        rows = tail.rows_after(conn, self._through, SCANS_PER_READ_MAX, READ_ON)
        if len(rows) < SCANS_PER_READ_MAX:
            return rows
        # Scans of a backlog may be left out, an alert not.
        return tail.alerts_between(conn, self._through, rows[0].outbox_id) + rows

    def apply(self, found: Any) -> list[bytes]:
        if isinstance(found, tuple):
            self._through, scans, standing = found
            self._scans = OrderedDict((row.data["scanId"], _told(row)) for row in scans)
            raised = reversed(standing)
            self._alerts = {one["id"]: self._message(alerts.RAISED, one) for one in raised}
            return self.whole()
        if found:
            self._through = max(self._through or 0, found[-1].outbox_id)
        if any(row.type.startswith(("gate.", "device.")) for row in found):
            self._gate_news()
        return [self._keep(row) for row in found if row.type in PASSED_ON]

    def whole(self) -> list[bytes]:
        return [*self._alerts.values(), *self._scans.values()]

    def _keep(self, row: tail.OutboxRow) -> bytes:
        told = _told(row)
        if row.type == SCAN:
            self._scans[row.data["scanId"]] = told
            if len(self._scans) > SCANS_ON_CONNECT:
                self._scans.popitem(last=False)
        elif row.type == alerts.CLEARED:
            self._alerts.pop(row.data["id"], None)
        else:
            self._alerts[row.data["id"]] = message(alerts.RAISED, row.data, row.at_ms)
        return told


class Arrivals(Feed):
    """The curve; only slots that moved are told anew."""

    interval_s, idle_s = 2.0, 60.0

    def __init__(self, now_ms: Now) -> None:
        super().__init__(now_ms)
        self._held: dict[str, Any] = {}

    def read(self, conn: Connection) -> dict[str, Any]:
        return timeline.read(conn, self._now_ms())

    def apply(self, found: dict[str, Any]) -> list[bytes]:
        before, self._held = self._held, found
        frame = ("timeZone", "start", "slotMinutes", "slotsTotal")
        if any(before.get(name) != found[name] for name in frame):
            return self.whole()
        held = {slot[0]: slot for slot in before["slots"]}
        moved = [slot for slot in found["slots"] if held.pop(slot[0], None) != slot]
        moved += [[index, 0, {}] for index in held]
        return (
            [self._message(ARRIVALS, {**found, "slots": moved, "partial": True})] if moved else []
        )

    def whole(self) -> list[bytes]:
        return [self._message(ARRIVALS, self._held)] if self._held else []


class Kept(Feed):
    """Something small that is told anew, as a whole, when it differs."""

    kind: str

    def __init__(self, now_ms: Now) -> None:
        super().__init__(now_ms)
        self._held: Mapping[str, Any] | None = None

    def apply(self, found: Mapping[str, Any] | None) -> list[bytes]:
        if found is None or found == self._held:
            return []
        self._held = found
        return self.whole()

    def whole(self) -> list[bytes]:
        return [] if self._held is None else [self._message(self.kind, self._held)]


class Outlook(Kept):
    """The forecast: a computation of some 20 ms, so for all pages at once and not often."""

    interval_s, idle_s, kind = 15.0, 60.0, FORECAST

    def __init__(self, now_ms: Now, share_before: float | None) -> None:
        super().__init__(now_ms)
        self._share_before = share_before

    def read(self, conn: Connection) -> dict[str, Any]:
        return outlook.read(conn, self._now_ms(), self._share_before)


class Conflicts(Kept):
    """Those that wait for a word, with both sides, and the last that were decided."""

    interval_s, idle_s, kind = 1.0, 30.0, CONFLICTS

    def __init__(self, now_ms: Now) -> None:
        super().__init__(now_ms)
        self._mark: Any = None

    def read(self, conn: Connection) -> dict[str, Any] | None:
        mark = review.conflicts_mark(conn, CONFLICTS_TOLD_MAX, DECIDED_TOLD_MAX)
        if mark == self._mark:
            return None
        self._mark = mark
        return review.conflicts_now(conn, CONFLICTS_TOLD_MAX, DECIDED_TOLD_MAX)


class DevicesWaiting(Kept):
    """Devices that an operator must decide on: the page asks for them when this changes."""

    interval_s, idle_s, kind = 2.0, 10.0, DEVICES_WAITING

    def read(self, conn: Connection) -> dict[str, Any]:
        return {"devices": tail.waiting_devices(conn)}


def all_feeds(
    now_ms: Now, share_before: float | None, gate_news: Callable[[], None]
) -> Iterator[Feed]:
    """In the order in which somebody who comes is told."""
    yield Figures(now_ms)
    yield Gates(now_ms)
    yield Happenings(now_ms, gate_news)
    yield Arrivals(now_ms)
    yield Outlook(now_ms, share_before)
    yield Conflicts(now_ms)
    yield DevicesWaiting(now_ms)


def _told(row: tail.OutboxRow) -> bytes:
    return message(row.type, row.data, row.at_ms)
