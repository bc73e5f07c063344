"""Supervisors' PINs for the gates (DESIGN §7): they open nothing at the server.

Each device gets an argon2 hash of its own, so that a stolen card tells nothing of another's. The
PIN itself is kept sealed under the master key, since a gate that is enrolled later needs a hash of
its own too. Hashing takes long on purpose and happens outside of transactions.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import argon2
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select

from shared.errors import UsageError
from sync_server.identity.rights import Right, Role, allows
from sync_server.storage import revisions, schema
from sync_server.storage.schema import operator_pin_hashes, operator_pins, people

PIN_DIGITS_MIN, PIN_DIGITS_MAX = 6, 12
_NONCE_BYTES = 12
# A Pi checks one in a third of a second; who stole the card needs a third of a second a guess too.
_HASHER = argon2.PasswordHasher()
_HASH_OF = select(operator_pin_hashes.c.pin_hash)


class NotAtGatesError(UsageError):
    """Only supervisors, operators and owners work at gates."""


class Missing(NamedTuple):
    """A device that needs a hash of an operator's PIN."""

    operator_id: str
    device_id: str
    sealed: str


class Hashed(NamedTuple):
    operator_id: str
    device_id: str
    sealed: str
    pin_hash: str


def check_pin(pin: str) -> str:
    """UsageError for what is no PIN."""
    if not (PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX and pin.isascii() and pin.isdecimal()):
        raise UsageError(f"A PIN has {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits.")
    return pin


def seal_pin(pin: str, operator_id: str, master_key: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_key(master_key)).encrypt(nonce, pin.encode(), operator_id.encode())
    return base64.b64encode(nonce + sealed).decode()


def set_pin(conn: Connection, operator_id: str, sealed: str, now_ms: int) -> bool:
    """Keep a sealed PIN; what gates held of the old one is over. False: there is no such person."""
    row = conn.execute(
        select(people.c.role, people.c.active).where(people.c.operator_id == operator_id)
    ).first()
    if row is None:
        return False
    if not row.active or not allows(Right.SUPERVISOR, Role(row.role)):
        raise NotAtGatesError
    _forget(conn, operator_id)
    conn.execute(
        insert(operator_pins).values(operator_id=operator_id, sealed=sealed, set_ms=now_ms)
    )
    return True


def remove_pin(conn: Connection, operator_id: str) -> None:
    _forget(conn, operator_id)


def force_new_pins(conn: Connection) -> None:
    """A device was revoked: whoever has its card may try its hashes, so none of them may hold."""
    for operator_id in list(conn.execute(select(operator_pins.c.operator_id)).scalars()):
        _forget(conn, operator_id)


def missing(conn: Connection) -> list[Missing]:
    """The hashes that gates should have and don't, of PINs that are set."""
    devices = schema.devices
    held = select(operator_pin_hashes.c.operator_id, operator_pin_hashes.c.device_id)
    known = {(row.operator_id, row.device_id) for row in conn.execute(held)}
    gates = conn.execute(
        select(devices.c.device_id).where(
            devices.c.public_key.is_not(None), devices.c.state != "revoked"
        )
    ).scalars()
    ids = list(gates)
    return [
        Missing(pin.operator_id, device_id, pin.sealed)
        for pin in conn.execute(select(operator_pins))
        for device_id in ids
        if (pin.operator_id, device_id) not in known
    ]


def hash_pins(wanted: Sequence[Missing], master_key: bytes) -> list[Hashed]:
    """Slow: for a thread, outside of any transaction."""
    return [
        Hashed(
            one.operator_id,
            one.device_id,
            one.sealed,
            _HASHER.hash(_opened(one.sealed, one.operator_id, master_key)),
        )
        for one in wanted
    ]


def keep_hashes(conn: Connection, hashed: Sequence[Hashed]) -> None:
    """Store them, those aside whose PIN was changed while they were made; gates hear of it."""
    current = {row.operator_id: row.sealed for row in conn.execute(select(operator_pins))}
    sound = [one for one in hashed if current.get(one.operator_id) == one.sealed]
    for one in sound:
        mine = (operator_pin_hashes.c.operator_id == one.operator_id) & (
            operator_pin_hashes.c.device_id == one.device_id
        )
        conn.execute(delete(operator_pin_hashes).where(mine))
        conn.execute(
            insert(operator_pin_hashes).values(
                operator_id=one.operator_id, device_id=one.device_id, pin_hash=one.pin_hash
            )
        )
    for operator_id in {one.operator_id for one in sound}:
        _mark(conn, operator_id, secrets.token_hex(8))


def hash_for(conn: Connection, operator_id: str, device_id: str) -> str | None:
    """What this device may know of this person's PIN."""
    found: str | None = conn.execute(
        _HASH_OF.where(
            operator_pin_hashes.c.operator_id == operator_id,
            operator_pin_hashes.c.device_id == device_id,
        )
    ).scalar()
    return found


def _forget(conn: Connection, operator_id: str) -> None:
    for table in (operator_pins, operator_pin_hashes):
        conn.execute(delete(table).where(table.c.operator_id == operator_id))
    _mark(conn, operator_id, None)


def _mark(conn: Connection, operator_id: str, mark: str | None) -> None:
    revisions.upsert(conn, people, {"operator_id": operator_id, "pin_mark": mark})


def _key(master_key: bytes) -> bytes:
    return hmac.digest(master_key, b"operator pins", "sha256")


def _opened(sealed: str, operator_id: str, master_key: bytes) -> str:
    raw = base64.b64decode(sealed)
    nonce, rest = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
    return AESGCM(_key(master_key)).decrypt(nonce, rest, operator_id.encode()).decode()
