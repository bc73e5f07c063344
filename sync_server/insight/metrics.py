"""Prometheus metrics, read from the database when they are asked for (names: prometheus.io/docs).

Nothing here is counted in memory, so a restart loses nothing and a second process tells the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from sqlalchemy import Connection, func, select

from sync_server.insight import counters, stats
from sync_server.insight.alert_rules import AlertType
from sync_server.storage import schema
from sync_server.storage.mail_tables import mails
from sync_server.storage.message_tables import alerts, deliveries
from sync_server.stream import tail

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_VERDICTS = ("confirmed", "exits", "duplicate", "conflict", "refused", "voided")


def text(conn: Connection, now_ms: int, backup: Mapping[str, Any] | None = None) -> bytes:
    """The exposition in Prometheus's text format. `backup`: its state, as `/readyz` tells it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Read([*_of_event(conn, now_ms), *_of_gates(conn, now_ms),
                             *_of_devices(conn, now_ms), *_of_messages(conn), *_of_backup(backup)]))  # fmt: skip
    return generate_latest(registry)


class _Read:
    """What was read, in the shape that a registry collects."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics

    def describe(self) -> list[Metric]:
        return []


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gatesync_{name}", words, value=value)


def _of_event(conn: Connection, now_ms: int) -> Iterator[Metric]:
    found = stats.overall(conn, now_ms)
    yield _gauge("participants", "Participants who are not cancelled", found["totalParticipants"])
    yield _gauge("participants_attended", "With a confirmed entry", found["attendedParticipants"])
    yield _gauge("participants_inside", "Inside now", found["inside"])
    yield _gauge("conflicts_open", "Conflicts without a supervisor's word", found["conflicts"])


def _of_gates(conn: Connection, now_ms: int) -> Iterator[Metric]:
    scans = CounterMetricFamily(
        "gatesync_scans", "Scans by gate and verdict (exits: confirmed ones)",
        labels=("gate", "verdict"),
    )  # fmt: skip
    spent = CounterMetricFamily(
        "gatesync_decision_seconds", "Time spent on decisions at the gate", labels=("gate",)
    )
    load = GaugeMetricFamily(
        "gatesync_gate_load_ratio", "Passages of five minutes over the capacity", labels=("gate",)
    )
    gates = stats.gates(conn, now_ms)
    sums = counters.load(conn, [f"gate:{gate['gateId']}" for gate in gates])
    for gate in gates:
        scope = f"gate:{gate['gateId']}"
        for verdict in _VERDICTS:
            scans.add_metric((gate["gateId"], verdict), sums.get((scope, verdict), 0.0))
        spent.add_metric((gate["gateId"],), sums.get((scope, "processing_ms_sum"), 0.0) / 1_000)
        load.add_metric((gate["gateId"],), gate["currentLoad"] / 100)
    yield from (scans, spent, load)


def _of_devices(conn: Connection, now_ms: int) -> Iterator[Metric]:
    labels = ("device", "gate")
    told: Mapping[str, GaugeMetricFamily] = {
        name: GaugeMetricFamily(f"gatesync_device_{name}", words, labels=labels)
        for name, words in (
            ("online", "1 if it spoke in the last 30 s"),
            ("waiting_scans", "Scans that it has yet to upload"),
            ("holes", "Scans that are missing from its journal's sequence"),
            ("replica_lag_revisions", "How far its list is behind"),
            ("clock_error_seconds", "Its clock's stated error"),
            ("disk_free_bytes", "Free space on its card"),
        )
    }
    for device in tail.all_devices(conn, now_ms):
        if device["state"] == "revoked":
            continue
        values: dict[str, Any] = {
            "online": float(device["online"]),
            "waiting_scans": device.get("waiting"),
            "holes": sum(end - begin + 1 for begin, end in device["holes"]),
            "replica_lag_revisions": device["replicaLag"],
            "clock_error_seconds": _seconds((device.get("clock") or {}).get("errorMs")),
            "disk_free_bytes": (device.get("disk") or {}).get("freeBytes"),
        }
        for name, value in values.items():
            if value is not None:
                told[name].add_metric((device["deviceId"], device["gateId"]), float(value))
    yield from told.values()


def _of_backup(backup: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Nothing where no backup was ever made or asked for."""
    if backup is None:
        return
    yield _gauge("backup_overdue", "1 if the last backup is too old", float(backup["overdue"]))
    if backup["ageS"] is not None:
        yield _gauge("backup_age_seconds", "Since the last backup", backup["ageS"])


def _seconds(ms: float | None) -> float | None:
    return ms / 1_000 if ms is not None else None


def _of_messages(conn: Connection) -> Iterator[Metric]:
    standing = GaugeMetricFamily("gatesync_alerts", "Alerts that hold now", labels=("type",))
    rows = conn.execute(
        select(alerts.c.type, func.count())
        .where(alerts.c.cleared_ms.is_(None))
        .group_by(alerts.c.type)
    )
    found = {row[0]: int(row[1]) for row in rows}
    for kind in AlertType:
        standing.add_metric((kind.value,), found.get(kind.value, 0))
    kept = GaugeMetricFamily(
        "gatesync_deliveries", "Messages of the stream that are kept", labels=("handler", "state")
    )
    rows = conn.execute(
        select(deliveries.c.handler, deliveries.c.state, func.count()).group_by(
            deliveries.c.handler, deliveries.c.state
        )
    )
    for handler, state, count in rows:
        kept.add_metric((handler, state), int(count))
    queued = GaugeMetricFamily("gatesync_mails", "Mails that are kept", labels=("state",))
    for state, count in conn.execute(select(mails.c.state, func.count()).group_by(mails.c.state)):
        queued.add_metric((state,), int(count))
    entries = schema.entries
    unusable = conn.execute(
        select(func.count()).select_from(entries).where(entries.c.unusable.is_not(None))
    ).scalar_one()
    yield from (
        standing, kept, queued,
        _gauge("entries_unusable", "Journal entries that could not be used, kept", unusable),
    )  # fmt: skip
