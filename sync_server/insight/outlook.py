"""`/stats/forecast`: what the counters hold, as the forecast asks for it (API §3.7)."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from shared.model import Event
from shared.wire import format_time
from sync_server.insight import counters
from sync_server.insight.forecast import Arrivals, Estimate, Forecast, forecast, gate_shares
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of

SLOTS_MAX = 500  # a longer event is looked at in coarser slots
HOUR_MS = 3_600_000
_WIDTHS_MS = tuple(minutes * 60_000 for minutes in (5, 10, 15, 20, 30, 60))  # whole hours of them


def read(conn: Connection, now_ms: int, share_before: float | None) -> dict[str, Any]:
    """Each figure with the interval that holds it with 80 % probability.

    `share_before`: the share of its registered that came to a past event of this kind, if known.
    """
    event = event_of(next(mappings(conn, select(schema.events))))
    slots = _Slots(event)
    held = counters.load(conn, ["arrivals"])
    arrived = {int(name): int(value) for (_, name), value in held.items()}
    known = Arrivals(slots.counts(arrived), slots.passed(now_ms), _registered(conn), share_before)
    found = forecast(known, max(1, HOUR_MS // slots.width_ms))
    return {
        **_shown(found, slots),
        "gateLoadDistribution": _gate_loads(conn),
        "registered": known.registered,
        "arrived": sum(known.counts),
        "lastUpdated": format_time(now_ms),
    }


class _Slots:
    """The admitting time of an event, cut into equal slots."""

    def __init__(self, event: Event) -> None:
        margin_ms = event.settings.admission_margin_s * 1_000
        self.zone = ZoneInfo(event.time_zone)
        self.start_ms = self._full_hour(event.start_ms - margin_ms)
        length_ms = max(HOUR_MS, event.end_ms + margin_ms - self.start_ms)
        least_ms = -(-length_ms // SLOTS_MAX)
        fitting = (width for width in _WIDTHS_MS if width >= least_ms)
        self.width_ms = next(fitting, -(-least_ms // HOUR_MS) * HOUR_MS)
        self.number = -(-length_ms // self.width_ms)

    def _full_hour(self, at_ms: int) -> int:
        """The full hour of the event's zone before: so the busiest hour is one that a clock shows."""
        local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(self.zone)
        return at_ms - (local.minute * 60 + local.second) * 1_000 - at_ms % 1_000

    def counts(self, arrived: dict[int, int]) -> list[int]:
        """Arrivals outside the time count in the first or the last slot: a gate's clock may be off."""
        sums = [0] * self.number
        for slot, people in arrived.items():
            index = (slot * counters.ARRIVAL_SLOT_MS - self.start_ms) // self.width_ms
            sums[min(max(index, 0), self.number - 1)] += people
        return sums

    def passed(self, now_ms: int) -> float:
        return min(max((now_ms - self.start_ms) / self.width_ms, 0.0), float(self.number))

    def at(self, slot: float) -> str:
        moment = datetime.fromtimestamp((self.start_ms + slot * self.width_ms) / 1_000, UTC)
        return moment.astimezone(self.zone).isoformat(timespec="seconds")


def _shown(found: Forecast, slots: _Slots) -> dict[str, Any]:
    final, peak, complete = found.final, found.peak_slot, found.complete_slot
    return {
        "expectedFinalAttendance": {
            "value": round(final.value), "low": round(final.low), "high": round(final.high),
        },
        "peakHourPrediction": _times(peak, slots),
        "completionTime": _times(complete, slots),
    }  # fmt: skip


def _times(estimate: Estimate, slots: _Slots) -> dict[str, str]:
    return {
        "value": slots.at(estimate.value),
        "low": slots.at(estimate.low),
        "high": slots.at(estimate.high),
    }


def _registered(conn: Connection) -> int:
    people = schema.participants
    query = select(func.count()).select_from(people).where(people.c.status != "cancelled")
    return int(conn.execute(query).scalar_one())


def _gate_loads(conn: Connection) -> dict[str, dict[str, float]]:
    """Each entry gate's share of the arrivals to come, in per cent."""
    table = schema.gates
    rows = conn.execute(
        select(table.c.gate_id, table.c.capacity_per_minute)
        .where(table.c.active, table.c.direction != "exit")
        .order_by(table.c.gate_id)
    ).all()
    sums = counters.load(conn, [f"gate:{row.gate_id}" for row in rows])
    seen = {row.gate_id: int(sums.get((f"gate:{row.gate_id}", "confirmed"), 0)) for row in rows}
    shares = gate_shares(seen, {row.gate_id: row.capacity_per_minute for row in rows})
    return {
        name: {gate: round(getattr(share, name), 1) for gate, share in shares.items()}
        for name in ("value", "low", "high")
    }
