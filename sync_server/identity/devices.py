"""Devices: enrolled with a one-use code, known by their key, moved and revoked (DESIGN §7).

Every function is one job inside a transaction.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from shared.limits import ENROLMENT_CODE_TTL_S
from sync_server.identity import pins
from sync_server.identity.tokens import Assertion, Granted
from sync_server.storage import revisions, schema
from sync_server.storage.database import moment_ms
from sync_server.storage.history import record_change
from sync_server.storage.outbox import emit


class EnrolmentFault(Enum):
    """Why a code does not enrol: HTTP status and words."""

    UNKNOWN = ("enrolment_code_unknown", 404, "There is no such enrolment code.")
    USED = ("enrolment_code_used", 409, "This enrolment code was used: make another one.")
    EXPIRED = ("enrolment_code_expired", 410, "This enrolment code is over: make another one.")

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]

    @property
    def message(self) -> str:
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Device:
    device_id: str
    name: str
    gate_id: str
    public_key: str | None
    state: str
    quarantined: bool = False

    @property
    def revoked(self) -> bool:
        return self.state == "revoked"

    @property
    def adopted(self) -> bool:
        return self.state == "adopted"


def hash_code(code: str) -> str:
    """Codes are stored hashed; case, spaces and hyphens don't matter to who types one."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def create_enrolment(conn: Connection, gate_id: str, code: str, now_ms: int) -> int:
    """Keep a one-use code for a gate; returns when it expires (epoch ms). LookupError: no gate."""
    gates = schema.gates
    if conn.execute(select(gates.c.gate_id).where(gates.c.gate_id == gate_id)).first() is None:
        raise LookupError(f"there is no gate {gate_id!r}")
    expires_ms = now_ms + ENROLMENT_CODE_TTL_S * 1_000
    conn.execute(
        insert(schema.enrolments).values(
            code_hash=hash_code(code), gate_id=gate_id, expires_ms=expires_ms
        )
    )
    emit(conn, [("enrolment.created", {"gateId": gate_id})], now_ms)
    return expires_ms


@dataclass(frozen=True, slots=True)
class NewDevice:
    """`device_id` is made by the caller; `public_key` is base64url of the raw 32 bytes."""

    device_id: str
    public_key: str
    name: str


def find_by_key(conn: Connection, public_key: str) -> Device | None:
    """The device that holds this key: it keeps its id however often it is enrolled."""
    devices = schema.devices
    found = conn.execute(
        select(devices.c.device_id)
        .where(devices.c.public_key == public_key)
        .order_by(devices.c.enrolled_ms.desc())
        .limit(1)
    ).scalar()
    return None if found is None else find_device(conn, found)


def enrol(conn: Connection, code: str, new: NewDevice, now_ms: int) -> Device | EnrolmentFault:
    """Exchange a code for a device at the code's gate.

    A code works for one key: asked again within its life, because the answer was lost, it gives
    that device again. A key that was enrolled before keeps its device, so that its journal is not
    counted twice; a device that was revoked is let in again, and what waits in quarantine waits on.
    """
    codes = schema.enrolments
    row = conn.execute(select(codes).where(codes.c.code_hash == hash_code(code))).first()
    if row is None:
        return EnrolmentFault.UNKNOWN
    earlier = find_by_key(conn, new.public_key)
    if row.used_ms is not None:
        mine = earlier is not None and earlier.device_id == row.device_id
        if earlier is None or not mine or earlier.revoked or row.expires_ms <= now_ms:
            return EnrolmentFault.USED
        return earlier
    if row.expires_ms <= now_ms:
        return EnrolmentFault.EXPIRED
    if earlier is not None:
        new = replace(new, device_id=earlier.device_id)
    conn.execute(
        update(codes)
        .where(codes.c.code_hash == row.code_hash)
        .values(used_ms=now_ms, device_id=new.device_id)
    )
    device = Device(
        new.device_id, new.name or row.gate_id, row.gate_id, new.public_key, state="active"
    )
    if earlier is None:
        _add(conn, device, now_ms)
    else:
        again = {"name": device.name, "gate_id": device.gate_id, "state": device.state}
        change_device(conn, device.device_id, again, now_ms)
    return device


def adopt(conn: Connection, granted: Granted, now_ms: int) -> Device:
    """Take in a device that this server's key enrolled and this database has forgotten (a backup
    was restored, or the database was lost): it may upload, and gets lists once an operator
    confirms it.
    """
    held = find_device(conn, granted.device_id)
    if held is not None:
        return held
    device = Device(
        granted.device_id, granted.gate_id, granted.gate_id, granted.public_key, state="adopted"
    )
    _add(conn, device, granted.enrolled_ms)
    about = {"deviceId": device.device_id, "gateId": device.gate_id}
    emit(conn, [("device.adopted", about)], now_ms)
    return device


def _add(conn: Connection, device: Device, enrolled_ms: int) -> None:
    row = {
        "device_id": device.device_id,
        "name": device.name,
        "gate_id": device.gate_id,
        "public_key": device.public_key,
        "state": device.state,
        "epoch": None,
        "contiguous_through": 0,
        "enrolled_ms": enrolled_ms,
        "quarantined": False,
    }
    revisions.upsert(conn, schema.devices, row)
    assign_gate(conn, device.device_id, device.gate_id, enrolled_ms)


def assign_gate(conn: Connection, device_id: str, gate_id: str, now_ms: int) -> None:
    """Remember that a device was at a gate from now on (`foreign_gate`, DESIGN §5)."""
    conn.execute(
        insert(schema.device_gates).values(device_id=device_id, gate_id=gate_id, since_ms=now_ms)
    )


# Asked at every exchange of every gate: made once.
_FOUND = select(
    schema.devices.c.device_id,
    schema.devices.c.name,
    schema.devices.c.gate_id,
    schema.devices.c.public_key,
    schema.devices.c.state,
    schema.devices.c.quarantined,
).where(schema.devices.c.device_id == bindparam("of_device"))


def find_device(conn: Connection, device_id: str) -> Device | None:
    row = conn.execute(_FOUND, {"of_device": device_id}).first()
    return Device(*row) if row is not None else None


def accept_quarantine(conn: Connection, device_id: str, operator_id: str, text: str) -> bool:
    """What is stored of the device counts; what comes from now on waits again.

    A dated change, at the arrival of the last that is stored: an upload that is on its way is not
    accepted unseen. The caller folds. False where nothing of the device waits.
    """
    device = find_device(conn, device_id)
    entries = schema.entries
    last_ms = conn.execute(
        select(func.max(entries.c.received_ms)).where(entries.c.device_id == device_id)
    ).scalar()
    if device is None or not device.quarantined or last_ms is None:
        return False
    value = {"quarantined": True, "acceptedBy": operator_id, "text": text}
    conn.execute(
        insert(schema.dated_changes).values(
            subject="device", subject_id=device_id, at_ms=last_ms + 1, value=value
        )
    )
    told = {"deviceId": device_id, "gateId": device.gate_id, "operatorId": operator_id}
    emit(conn, [("device.accepted", told)], moment_ms(conn))
    return True


def use_assertion(conn: Connection, assertion: Assertion, now_ms: int) -> bool:
    """False where this assertion was used before; those that are over are forgotten."""
    used = schema.used_assertions
    conn.execute(delete(used).where(used.c.expires_ms < now_ms))
    known = conn.execute(
        select(used.c.jti_hash).where(used.c.jti_hash == assertion.jti_hash)
    ).first()
    if known is not None:
        return False
    conn.execute(insert(used).values(jti_hash=assertion.jti_hash, expires_ms=assertion.expires_ms))
    return True


def change_device(
    conn: Connection, device_id: str, changes: dict[str, Any], now_ms: int
) -> Device | None:
    """Write columns of a device; a new `gate_id` is remembered as an assignment."""
    device = find_device(conn, device_id)
    if device is None or device.public_key is None:
        return None  # a partner's stand-in is no device that anybody moves
    revisions.upsert(conn, schema.devices, {"device_id": device_id, **changes})
    if changes.get("state") == "revoked":
        pins.force_new_pins(conn)
    if "quarantined" in changes:
        before = {"quarantined": device.quarantined}
        record_change(conn, "device", device_id, before, changes, now_ms)
    gate_id = changes.get("gate_id")
    if gate_id is not None and gate_id != device.gate_id:
        assign_gate(conn, device_id, gate_id, now_ms)
    return find_device(conn, device_id)
