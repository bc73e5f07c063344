"""`/stats/forecast`: what the counters hold, as the forecast asks for it (API §3.7)."""

from typing import Any

from sqlalchemy import Connection, select

from shared.wire import format_time
from sync_server.insight import counters
from sync_server.insight.forecast import Arrivals, Estimate, Forecast, forecast, gate_shares
from sync_server.insight.timeline import HOUR_MS, Slots, arrived_by_slot
from sync_server.storage import headcounts, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of

RATE_MS = 15 * 60_000


def read(conn: Connection, now_ms: int, share_before: float | None) -> dict[str, Any]:
    """Each figure with the interval that holds it with 80 % probability.

    `share_before`: the share of its registered that came to a past event of this kind, if known.
    """
    event = event_of(next(mappings(conn, select(schema.events))))
    slots = Slots(event)
    registered = headcounts.everybody(conn)[0]
    counts = slots.counts(arrived_by_slot(conn))
    known = Arrivals(counts, slots.passed(now_ms), registered, share_before)
    found = forecast(known, max(1, HOUR_MS // slots.width_ms))
    return {
        **_shown(found, slots),
        "gateLoadDistribution": _gate_loads(conn),
        "registered": known.registered,
        "arrived": sum(known.counts),
        "rate": _rate_now(known, found, slots),
        "expected": {
            name: [round(getattr(rate, name), 2) for rate in found.rates]
            for name in ("value", "low", "high")
        },
        "lastUpdated": format_time(now_ms),
    }


def _rate_now(known: Arrivals, found: Forecast, slots: Slots) -> dict[str, Any]:
    """People an hour over the last quarter of an hour, and how many were expected in it."""
    number = max(1, RATE_MS // slots.width_ms)
    last = min(int(known.passed), len(known.counts))
    span = range(max(0, last - number), last)
    an_hour = HOUR_MS / slots.width_ms / max(1, len(span))
    expected = {
        name: round(an_hour * sum(getattr(found.rates[slot], name) for slot in span), 1)
        for name in ("value", "low", "high")
    }
    return {
        "minutes": len(span) * slots.width_ms // 60_000,
        "perHour": round(an_hour * sum(known.counts[slot] for slot in span), 1),
        "expectedPerHour": expected,
    }


def _shown(found: Forecast, slots: Slots) -> dict[str, Any]:
    final, peak, complete = found.final, found.peak_slot, found.complete_slot
    return {
        "expectedFinalAttendance": {
            "value": round(final.value), "low": round(final.low), "high": round(final.high),
        },
        "peakHourPrediction": _times(peak, slots),
        "completionTime": _times(complete, slots),
    }  # fmt: skip


def _times(estimate: Estimate, slots: Slots) -> dict[str, str]:
    return {
        "value": slots.at(estimate.value),
        "low": slots.at(estimate.low),
        "high": slots.at(estimate.high),
    }


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
