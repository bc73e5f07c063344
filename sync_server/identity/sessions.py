"""People signed in: a random token, kept hashed, for twelve hours (DESIGN §7)."""

import hashlib

from sqlalchemy import Connection, delete, insert, select

from shared.limits import SESSION_TTL_S
from sync_server.identity.rights import Caller, Role
from sync_server.storage import schema


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(conn: Connection, operator_id: str, token: str, now_ms: int) -> int:
    """Keep a session; returns when it expires (epoch ms)."""
    sessions = schema.sessions
    conn.execute(delete(sessions).where(sessions.c.expires_ms <= now_ms))
    expires_ms = now_ms + SESSION_TTL_S * 1_000
    conn.execute(
        insert(sessions).values(
            token_hash=token_hash(token), operator_id=operator_id, expires_ms=expires_ms
        )
    )
    return expires_ms


def find_session(conn: Connection, token: str, now_ms: int) -> Caller | None:
    """Who holds this token, if the session lasts and the person is still active."""
    sessions, people = schema.sessions, schema.people
    row = conn.execute(
        select(people.c.operator_id, people.c.name, people.c.role)
        .join(sessions, sessions.c.operator_id == people.c.operator_id)
        .where(
            sessions.c.token_hash == token_hash(token),
            sessions.c.expires_ms > now_ms,
            people.c.active,
        )
    ).first()
    return Caller(Role(row.role), row.operator_id, row.name) if row is not None else None


def close_session(conn: Connection, token: str) -> None:
    sessions = schema.sessions
    conn.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))
