"""Keys of services: shown once, stored as SHA-256 (they are random, so no slow hash is needed)."""

import hashlib
import secrets
from typing import Any

from sqlalchemy import Connection, insert, select, update

from shared.errors import UsageError
from shared.wire import format_time
from sync_server.identity.rights import Role
from sync_server.storage import schema
from sync_server.storage.outbox import emit

ROLES = tuple(role.value for role in Role if role is not Role.DEVICE)
_NAME_CHARS_MAX = 80


def create_api_key(conn: Connection, name: str, role: str, now_ms: int) -> str:
    """A new key of this name and role; UsageError where the name is taken."""
    name = name.strip()
    if not name or len(name) > _NAME_CHARS_MAX or not name.isprintable():
        raise UsageError(f"{name!r} can't be a key's name (1–{_NAME_CHARS_MAX} characters)")
    if role not in ROLES:
        raise UsageError(f"{role!r} is not a role; one of {', '.join(ROLES)}")
    keys = schema.api_keys
    if conn.execute(select(keys.c.name).where(keys.c.name == name)).first() is not None:
        raise UsageError(f"there is a key named {name!r} already; choose another name")
    key = f"gsk_{secrets.token_urlsafe(32)}"
    conn.execute(
        insert(keys).values(key_hash=hash_key(key), name=name, role=role, created_ms=now_ms)
    )
    emit(conn, [("service.created", {"name": name, "role": role})], now_ms)
    return key


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def list_keys(conn: Connection) -> list[dict[str, Any]]:
    """By name, those that were revoked too; the keys themselves are kept nowhere."""
    keys = schema.api_keys
    return [
        {
            "name": row.name,
            "role": row.role,
            "createdAt": format_time(row.created_ms),
            "revokedAt": None if row.revoked_ms is None else format_time(row.revoked_ms),
        }
        for row in conn.execute(select(keys).order_by(keys.c.name))
    ]


def revoke_key(conn: Connection, name: str, now_ms: int) -> bool:
    """For good, and at once; False where there is no key of this name."""
    keys = schema.api_keys
    found = conn.execute(select(keys.c.revoked_ms).where(keys.c.name == name)).first()
    if found is None:
        return False
    if found.revoked_ms is None:
        conn.execute(update(keys).where(keys.c.name == name).values(revoked_ms=now_ms))
        emit(conn, [("service.revoked", {"name": name})], now_ms)
    return True
