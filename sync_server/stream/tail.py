"""What the live page reads: the outbox's tail, and each gate's sync status."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from shared.merge import Kind
from shared.wire import format_time, parse_cursor
from sync_server.storage import revisions, schema
from sync_server.sync.journals import received

ONLINE_MS = 30_000  # a device that spoke less than this ago is online


class OutboxRow(NamedTuple):
    outbox_id: int
    type: str
    data: Any
    at_ms: int


def rows_after(
    conn: Connection, outbox_id: int, rows_max: int, kinds: Collection[str]
) -> list[OutboxRow]:
    """The newest rows of these kinds after this one, oldest first; of more the older are left."""
    box = schema.outbox
    rows = conn.execute(
        select(box.c.outbox_id, box.c.type, box.c.data, box.c.at_ms)
        .where(box.c.outbox_id > outbox_id, box.c.type.in_(kinds))
        .order_by(box.c.outbox_id.desc())
        .limit(rows_max)
    )
    return [OutboxRow(*row) for row in rows][::-1]


def alerts_between(conn: Connection, after: int, before: int) -> list[OutboxRow]:
    """What was raised and cleared between these two rows, oldest first."""
    box = schema.outbox
    rows = conn.execute(
        select(box.c.outbox_id, box.c.type, box.c.data, box.c.at_ms)
        .where(
            box.c.outbox_id > after,
            box.c.outbox_id < before,
            box.c.type.in_(("alert.raised", "alert.cleared", "alert.acknowledged")),
        )
        .order_by(box.c.outbox_id)
    )
    return [OutboxRow(*row) for row in rows]


def last_scans(conn: Connection, rows_max: int) -> tuple[int, list[OutboxRow]]:
    """The outbox's head, and the last merged scans, oldest first."""
    box = schema.outbox
    head = conn.execute(select(func.max(box.c.outbox_id))).scalar() or 0
    return head, rows_after(conn, 0, rows_max, ("scan.merged",))


def device_states(conn: Connection, now_ms: int) -> list[dict[str, Any]]:
    """Each gate with each device that is not revoked; a gate without one stands alone.

    `replicaLag` is in revisions; None where the device has not said or is of another generation.
    """
    gates, devices, said = schema.gates, schema.devices, schema.device_status
    generation, head = revisions.head(conn)
    rows = conn.execute(
        select(
            gates.c.gate_id,
            gates.c.name,
            gates.c.active,
            devices.c.device_id,
            devices.c.name.label("device_name"),
            devices.c.contiguous_through,
            said.c.last_seen_ms,
            said.c.status,
        )
        .select_from(
            gates.outerjoin(
                devices,
                (devices.c.gate_id == gates.c.gate_id)
                & (devices.c.public_key.is_not(None))
                & (devices.c.state != "revoked"),
            ).outerjoin(said, said.c.device_id == devices.c.device_id)
        )
        .order_by(gates.c.gate_id, devices.c.enrolled_ms)
    )
    return [_state(row, generation, head, now_ms) for row in rows]


def _state(row: Any, generation: str, head: int, now_ms: int) -> dict[str, Any]:
    said = row.status or {}
    return {
        "gateId": row.gate_id,
        "gateName": row.name,
        "active": row.active,
        "deviceId": row.device_id,
        "deviceName": row.device_name,
        "online": _online(row.last_seen_ms, now_ms),
        "lastSeenAt": format_time(row.last_seen_ms) if row.last_seen_ms is not None else None,
        "waiting": said.get("waiting"),
        "replicaAgeS": said.get("replicaAgeS"),
        "replicaLag": _lag(said.get("cursor"), generation, head),
        "contiguousThrough": row.contiguous_through,
        "clock": said.get("clock"),
        "readers": said.get("readers"),
        "power": said.get("power"),
        "freeBytes": (said.get("disk") or {}).get("freeBytes"),
        "troubles": (said.get("disk") or {}).get("troubles", []),
    }


def _lag(cursor: Any, generation: str, head: int) -> int | None:
    try:
        of, revision = parse_cursor(cursor or "")
    except ValueError:
        return None
    return max(0, head - revision) if of == generation else None


def quarantined_scans(conn: Connection) -> dict[str, int]:
    """Device → how many of its scans wait for an operator."""
    scans, devices = schema.scans, schema.devices
    held = select(devices.c.device_id).where(devices.c.quarantined)
    rows = conn.execute(
        select(scans.c.device_id, func.count())
        .where(scans.c.device_id.in_(held), scans.c.verdict_kind == Kind.QUARANTINED.value)
        .group_by(scans.c.device_id)
    )
    return {row[0]: row[1] for row in rows}


def waiting_devices(conn: Connection) -> list[dict[str, Any]]:
    """Devices that an operator must decide on: adopted ones, and those in quarantine."""
    devices, held = schema.devices, quarantined_scans(conn)
    rows = conn.execute(
        select(devices.c.device_id, devices.c.state)
        .where((devices.c.state == "adopted") | devices.c.device_id.in_(held))
        .order_by(devices.c.device_id)
    )
    return [
        {
            "deviceId": row.device_id,
            "state": row.state,
            "quarantinedScans": held.get(row.device_id, 0),
        }
        for row in rows
    ]


def all_devices(conn: Connection, now_ms: int) -> list[dict[str, Any]]:
    """Every device ever enrolled, with all that it last said and the holes in its journal."""
    devices, said = schema.devices, schema.device_status
    generation, head = revisions.head(conn)
    rows = conn.execute(
        select(devices, said.c.last_seen_ms, said.c.status)
        .select_from(devices.outerjoin(said, said.c.device_id == devices.c.device_id))
        .where(devices.c.public_key.is_not(None))
        .order_by(devices.c.enrolled_ms, devices.c.device_id)
    )
    items = []
    waiting = quarantined_scans(conn)
    for row in rows.all():
        journal = received(conn, row.device_id, row.epoch, up_to_head=True) if row.epoch else None
        said_now = dict(row.status or {})
        items.append(
            {
                **said_now,
                "deviceId": row.device_id,
                "name": row.name,
                "gateId": row.gate_id,
                "state": row.state,
                "quarantined": row.quarantined,
                "quarantinedScans": waiting.get(row.device_id, 0),
                "enrolledAt": format_time(row.enrolled_ms),
                "contiguousThrough": row.contiguous_through,
                "holes": journal.holes if journal else [],
                "replicaLag": _lag(said_now.get("cursor"), generation, head),
                "online": _online(row.last_seen_ms, now_ms),
                "lastSeenAt": format_time(row.last_seen_ms)
                if row.last_seen_ms is not None
                else None,
            }
        )
    return items


def _online(last_seen_ms: int | None, now_ms: int) -> bool:
    return last_seen_ms is not None and now_ms - last_seen_ms < ONLINE_MS
