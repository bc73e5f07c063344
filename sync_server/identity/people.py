"""People who sign in: a name, a password as argon2 hash, a role.

Hashing takes long on purpose, so it happens outside of transactions.
"""

import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

import argon2
from sqlalchemy import Connection, delete, select

from shared.errors import PermanentError, UsageError
from shared.wire import format_time
from sync_server.identity.rights import Role
from sync_server.storage import revisions, schema

PASSWORD_CHARS_MIN = 8
PASSWORD_CHARS_MAX = 1_000
NAME_CHARS_MAX = 100
_HASHER = argon2.PasswordHasher()


def hash_password(password: str) -> str:
    """UsageError for a password that is too short to protect anything."""
    if len(password) < PASSWORD_CHARS_MIN:
        raise UsageError(f"the password is shorter than {PASSWORD_CHARS_MIN} characters")
    if len(password) > PASSWORD_CHARS_MAX:
        raise UsageError(f"the password is longer than {PASSWORD_CHARS_MAX} characters")
    return _HASHER.hash(password)


@cache
def _nobody() -> str:
    """For names that do not exist: the answer must take as long as for those that do."""
    return _HASHER.hash(uuid.uuid4().hex)


def create_owner(conn: Connection, name: str, password_hash: str) -> bool:
    """Make the first owner; False where there is one already (nothing changes)."""
    name = name.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise UsageError(f"{name!r} can't be a person's name (1–{NAME_CHARS_MAX} characters)")
    people = schema.people
    owners = select(people.c.name).where(people.c.role == Role.OWNER.value, people.c.active)
    if conn.execute(owners.limit(1)).first() is not None:
        return False
    if conn.execute(select(people.c.name).where(people.c.name == name)).first() is not None:
        raise UsageError(f"there is a person named {name!r} who is no owner; choose another name")
    return revisions.upsert(
        conn,
        people,
        {
            "operator_id": str(uuid.uuid4()),
            "name": name,
            "role": Role.OWNER.value,
            "password_hash": password_hash,
            "active": True,
        },
    )


def create_person(conn: Connection, name: str, role: Role, password_hash: str | None) -> str:
    """A new person's operator id; UsageError where the name can't be one, LookupError if taken."""
    name = name.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise UsageError(f"{name!r} can't be a person's name (1–{NAME_CHARS_MAX} characters)")
    people = schema.people
    if conn.execute(select(people.c.name).where(people.c.name == name)).first() is not None:
        raise LookupError(f"There is a person named {name!r} already.")
    operator_id = str(uuid.uuid4())
    row = {
        "operator_id": operator_id,
        "name": name,
        "role": role.value,
        "password_hash": password_hash,
        "active": True,
    }
    revisions.upsert(conn, people, row)
    return operator_id


def list_people(conn: Connection) -> list[dict[str, Any]]:
    """Everyone who signs in or works at gates, by name; who has a PIN is said, the PIN never."""
    people, pins = schema.people, schema.operator_pins
    found = conn.execute(
        select(people, pins.c.set_ms)
        .outerjoin(pins, pins.c.operator_id == people.c.operator_id)
        .order_by(people.c.name)
    )
    return [
        {
            "operatorId": row.operator_id,
            "name": row.name,
            "role": row.role,
            "active": row.active,
            "signsIn": row.password_hash is not None,
            "pinSetAt": None if row.set_ms is None else format_time(row.set_ms),
        }
        for row in found
    ]


def find_person(conn: Connection, id_or_name: str) -> dict[str, Any] | None:
    """By id, else by name."""
    everyone = list_people(conn)
    for member in ("operatorId", "name"):
        for person in everyone:
            if person[member] == id_or_name:
                return person
    return None


class LastOwnerError(PermanentError):
    """Nobody would be left who may do everything here: make another owner first."""


def change_person(conn: Connection, operator_id: str, changes: Mapping[str, Any]) -> None:
    """Set role, password hash or whether they are active; their sessions end where one narrows."""
    people, sessions = schema.people, schema.sessions
    owners = select(people.c.operator_id).where(
        people.c.role == Role.OWNER.value, people.c.active, people.c.password_hash.is_not(None)
    )
    before = conn.execute(owners.limit(1)).first()
    revisions.upsert(conn, people, {"operator_id": operator_id, **changes})
    if before is not None and conn.execute(owners.limit(1)).first() is None:
        raise LastOwnerError
    if "password_hash" in changes or changes.get("active") is False:
        conn.execute(delete(sessions).where(sessions.c.operator_id == operator_id))


def password_hash_of(conn: Connection, name: str) -> tuple[str, str] | None:
    """(operator id, argon2 hash) of an active person who has a password."""
    people = schema.people
    row = conn.execute(
        select(people.c.operator_id, people.c.password_hash).where(
            people.c.name == name, people.c.active, people.c.password_hash.is_not(None)
        )
    ).first()
    return (row.operator_id, row.password_hash) if row is not None else None


def matches(found: tuple[str, str] | None, password: str) -> bool:
    """Whether the password is the person's; as slow for nobody as for somebody."""
    try:
        _HASHER.verify(found[1] if found else _nobody(), password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return found is not None


def verify_password(conn: Connection, name: str, password: str) -> str | None:
    """The operator id of who signs in with this name and password, else None."""
    found = password_hash_of(conn, name)
    return found[0] if matches(found, password) and found else None
