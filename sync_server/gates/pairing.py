"""“Pair this badge”: the gate says which unknown badge is nearest, an operator confirms.

One pairing is open at a gate at a time, for two minutes. What the gate heard is forgotten with it.
Every function of a connection is one job inside a transaction.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from shared import wire
from shared.beacons import CANONICAL
from shared.errors import WireError
from shared.limits import PAIRING_S_MAX
from shared.wire_beacons import BeaconHeard, PairingCall
from sync_server.identity import devices
from sync_server.storage.chunks import mappings
from sync_server.storage.schema import pairings

Row = Mapping[str, Any]


def start(conn: Connection, gate_id: str, participant_id: str, now_ms: int) -> Row:
    """Ends what is open at this gate."""
    over = (pairings.c.gate_id == gate_id) | (pairings.c.until_ms < now_ms)
    conn.execute(delete(pairings).where(over))
    row = {
        "pairing_id": str(uuid.uuid4()),
        "gate_id": gate_id,
        "participant_id": participant_id,
        "until_ms": now_ms + PAIRING_S_MAX * 1_000,
        "beacon": None,
        "rssi": None,
        "heard_ms": None,
    }
    conn.execute(insert(pairings).values(row))
    return row


def find(conn: Connection, pairing_id: str, now_ms: int) -> Row | None:
    """An open one."""
    statement = select(pairings).where(
        pairings.c.pairing_id == pairing_id, pairings.c.until_ms >= now_ms
    )
    return next(mappings(conn, statement), None)


def end(conn: Connection, pairing_id: str) -> bool:
    return conn.execute(delete(pairings).where(pairings.c.pairing_id == pairing_id)).rowcount == 1


def call_for(conn: Connection, device_id: str, now_ms: int) -> PairingCall | None:
    """What this device's gate is asked to listen for."""
    device = devices.find_device(conn, device_id)
    if device is None:
        return None
    statement = select(pairings.c.pairing_id, pairings.c.until_ms).where(
        pairings.c.gate_id == device.gate_id, pairings.c.until_ms >= now_ms
    )
    row = conn.execute(statement).first()
    if row is None:
        return None
    return PairingCall(pairing_id=row.pairing_id, until=wire.format_time(row.until_ms))


def heard(conn: Connection, device_id: str, report: BeaconHeard, now_ms: int) -> bool:
    """The latest word counts; false where this pairing is not open at the device's gate."""
    if not CANONICAL.fullmatch(report.beacon):
        raise WireError("beacon: expected a canonical id")
    call = call_for(conn, device_id, now_ms)
    if call is None or call.pairing_id != report.pairing_id:
        return False
    conn.execute(
        update(pairings)
        .where(pairings.c.pairing_id == report.pairing_id)
        .values(beacon=report.beacon, rssi=report.rssi, heard_ms=now_ms)
    )
    return True


def pairing_json(row: Row) -> dict[str, Any]:
    heard_ms = row["heard_ms"]
    nearest = None
    if heard_ms is not None:
        nearest = {
            "beacon": row["beacon"],
            "rssi": row["rssi"],
            "heardAt": wire.format_time(heard_ms),
            "rotating": row["beacon"].startswith("eddystone-eid:"),
        }
    return {
        "id": row["pairing_id"],
        "gateId": row["gate_id"],
        "participantId": row["participant_id"],
        "until": wire.format_time(row["until_ms"]),
        "nearest": nearest,
    }
