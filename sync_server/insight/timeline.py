"""Arrivals over time: hours of the event's zone, and the curve of the live page (API §3.7).

Both are added up from slots of five minutes (`tallies`), so that an hour begins when a clock on the
wall there says so, also where the zone is 5:30 off or turns its clocks.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from shared.model import Event
from shared.wire import format_time
from sync_server.insight import counters, tallies
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of

SLOTS_MAX = 500  # a longer event is looked at in coarser slots
HOUR_MS = 3_600_000
_WIDTHS_MS = tuple(minutes * 60_000 for minutes in (5, 10, 15, 20, 30, 60))  # whole hours of them


class Slots:
    """The admitting time of an event, cut into equal slots from a full hour on."""

    def __init__(self, event: Event) -> None:
        margin_ms = event.settings.admission_margin_s * 1_000
        self.zone = ZoneInfo(event.time_zone)
        self.start_ms = hour_of(event.start_ms - margin_ms, self.zone)
        length_ms = max(HOUR_MS, event.end_ms + margin_ms - self.start_ms)
        least_ms = -(-length_ms // SLOTS_MAX)
        fitting = (width for width in _WIDTHS_MS if width >= least_ms)
        self.width_ms = next(fitting, -(-least_ms // HOUR_MS) * HOUR_MS)
        self.number = -(-length_ms // self.width_ms)

    def index(self, at_ms: int) -> int:
        """What lies outside the time counts in the first or the last: a gate's clock may be off."""
        return min(max((at_ms - self.start_ms) // self.width_ms, 0), self.number - 1)

    def counts(self, arrived: dict[int, int]) -> list[int]:
        """`arrived`: people by slot of five minutes since 1970."""
        sums = [0] * self.number
        for slot, people in arrived.items():
            sums[self.index(slot * counters.ARRIVAL_SLOT_MS)] += people
        return sums

    def passed(self, now_ms: int) -> float:
        return min(max((now_ms - self.start_ms) / self.width_ms, 0.0), float(self.number))

    def at(self, slot: float) -> str:
        return local_text(self.start_ms + slot * self.width_ms, self.zone)


def hour_of(at_ms: int, zone: ZoneInfo) -> int:
    """When the hour of the zone's clocks began."""
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)
    return at_ms - (local.minute * 60 + local.second) * 1_000 - at_ms % 1_000


def local_text(at_ms: float, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return moment.astimezone(zone).isoformat(timespec="seconds")


def hourly(conn: Connection) -> list[dict[str, Any]]:
    """`/stats/hourly`: hours that had a confirmed entry; `hour` is its start in the event's zone."""
    zone = ZoneInfo(str(conn.execute(select(schema.events.c.time_zone)).scalar_one()))
    hours: dict[int, dict[str, dict[str, int]]] = {}
    for slot, gate_id, method, value in tallies.all_slots(conn):
        hour = hours.setdefault(hour_of(slot * tallies.SLOT_MS, zone), {"methods": {}, "gates": {}})
        for member, name in (("methods", method), ("gates", gate_id)):
            hour[member][name] = hour[member].get(name, 0) + value
    return [
        {
            "hour": local_text(began, zone),
            "count": sum(found["gates"].values()),
            "methods": dict(sorted(found["methods"].items())),
            "gates": dict(sorted(found["gates"].items())),
        }
        for began, found in sorted(hours.items())
    ]


def arrived_by_slot(conn: Connection) -> dict[int, int]:
    """Participants by the slot of their first entry, five minutes each since 1970."""
    held = counters.load(conn, ["arrivals"])
    return {int(name): int(value) for (_, name), value in held.items()}


def read(conn: Connection, now_ms: int) -> dict[str, Any]:
    """`/stats/arrivals`: the admitting time in equal slots; those without anybody are left out.

    A slot: `[index, distinct people whose first entry lies in it, {gate: confirmed entries}]`.
    """
    event = event_of(next(mappings(conn, select(schema.events))))
    slots = Slots(event)
    people = slots.counts(arrived_by_slot(conn))
    by_gate = _by_gate(tallies.all_slots(conn), slots)
    return {
        "timeZone": event.time_zone,
        "start": format_time(slots.start_ms),
        "slotMinutes": slots.width_ms // 60_000,
        "slotsTotal": slots.number,
        "now": round(slots.passed(now_ms), 2),
        "slots": [
            [index, people[index], by_gate.get(index, {})]
            for index in range(slots.number)
            if people[index] or index in by_gate
        ],
    }


def _by_gate(found: Iterable[tuple[int, str, str, int]], slots: Slots) -> dict[int, dict[str, int]]:
    sums: dict[int, dict[str, int]] = {}
    for slot, gate_id, _, value in found:
        gates = sums.setdefault(slots.index(slot * tallies.SLOT_MS), {})
        gates[gate_id] = gates.get(gate_id, 0) + value
    return sums
