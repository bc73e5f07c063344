"""Who holds a bearer: a session, a service's key, or what an access token names.

Every function is one job inside a transaction.
"""

import hashlib

from sqlalchemy import Connection, select

from sync_server.identity.devices import find_device
from sync_server.identity.rights import Caller, Role
from sync_server.identity.sessions import find_session
from sync_server.storage import schema

SERVICE_SUBJECT = "service:"  # an access token's `sub` for a key of this name


def holder_of(conn: Connection, bearer: str, now_ms: int) -> Caller | None:
    """A person's session or a service's key."""
    return find_session(conn, bearer, now_ms) or find_key_caller(conn, bearer)


def find_key_caller(conn: Connection, key: str) -> Caller | None:
    keys = schema.api_keys
    row = conn.execute(
        select(keys.c.name, keys.c.role).where(
            keys.c.key_hash == hashlib.sha256(key.encode()).hexdigest(),
            keys.c.revoked_ms.is_(None),
        )
    ).first()
    return Caller(Role(row.role), row.name, row.name) if row is not None else None


def subject_of_token(conn: Connection, subject: str) -> Caller | None:
    """The device or service that an access token names, if it still is one."""
    if subject.startswith(SERVICE_SUBJECT):
        keys = schema.api_keys
        row = conn.execute(
            select(keys.c.name, keys.c.role).where(
                keys.c.name == subject.removeprefix(SERVICE_SUBJECT), keys.c.revoked_ms.is_(None)
            )
        ).first()
        return Caller(Role(row.role), row.name, row.name) if row is not None else None
    device = find_device(conn, subject)
    if device is None or device.public_key is None:
        return None
    return Caller(Role.DEVICE, device.device_id, device.name, state=device.state)
