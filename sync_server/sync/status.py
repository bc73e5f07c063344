"""What a device says of itself every 10 s (API §3.6)."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from shared.errors import WireError
from shared.wire import StatusRequest, format_time
from sync_server.attendance.knowledge import note_contact
from sync_server.storage.outbox import emit
from sync_server.storage.schema import device_status, devices
from sync_server.sync import journals


def store_status(conn: Connection, device_id: str, status: StatusRequest, now_ms: int) -> int:
    """Keep the device's word and its journal's head; returns `contiguousThrough` of that epoch.

    A head beyond what was received names the entries still at the gate, or lost with its card.
    """
    journals.check_epoch(status.epoch)
    if not 0 <= status.head <= journals.SEQ_MAX:
        raise WireError(f"head: expected 0 to {journals.SEQ_MAX}")
    body = msgspec.to_builtins(status)
    known = conn.execute(
        select(device_status.c.device_id).where(device_status.c.device_id == device_id)
    ).first()
    if known is None:
        conn.execute(
            insert(device_status).values(device_id=device_id, last_seen_ms=now_ms, status=body)
        )
    else:
        conn.execute(
            update(device_status)
            .where(device_status.c.device_id == device_id)
            .values(last_seen_ms=now_ms, status=body)
        )
    note_contact(conn, device_id, now_ms)
    now = journals.note_journal(conn, device_id, status.epoch, status.head, now_ms)
    gate_id = conn.execute(
        select(devices.c.gate_id).where(devices.c.device_id == device_id)
    ).scalar_one()
    emit(
        conn,
        [
            (
                "gate.status",
                {
                    "deviceId": device_id,
                    "gateId": gate_id,
                    "lastSeenAt": format_time(now_ms),
                    "contiguousThrough": now.contiguous_through,
                    "status": body,
                },
            )
        ],
        now_ms,
    )
    return now.contiguous_through
