"""Who could know what, and when: the head's times and the devices' contacts (P11).

A conflict between two gates is explained by what each could know. A scan names the cursor up to
which its gate had read; `head_times` tells which revision made another scan visible, and
`contacts` when a device last spoke with this server.
"""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from sync_server.storage import revisions
from sync_server.storage.schema import contacts, head_times

CONTACT_PAUSE_MS_MAX = 30_000  # a device speaks every 10 s; a longer silence ends a contact

# SQLite and PostgreSQL write this alike.
_NOTE_HEAD = text(
    "INSERT INTO head_times (revision, at_ms) VALUES (:revision, :at_ms)"
    " ON CONFLICT (revision) DO NOTHING"
)
_LAST_CONTACT = (
    select(contacts.c.from_ms, contacts.c.until_ms)
    .where(contacts.c.device_id == bindparam("of_device"), contacts.c.from_ms <= bindparam("at_ms"))
    .order_by(contacts.c.from_ms.desc())
    .limit(1)
)


class Contact(NamedTuple):
    """`until_ms` may lie after the moment that was asked about: then it was in contact."""

    from_ms: int
    until_ms: int


def note_head(conn: Connection, now_ms: int) -> None:
    """Scans were merged: what they changed is visible from this head on."""
    conn.execute(_NOTE_HEAD, {"revision": revisions.head(conn).revision, "at_ms": now_ms})


def visible_from(conn: Connection, received_ms: int) -> int | None:
    """The revision that made visible what was received then; None where that is not known."""
    times = head_times.c
    at_once = conn.execute(
        select(func.max(times.revision)).where(times.at_ms == received_ms)
    ).scalar()
    if at_once is None:
        at_once = conn.execute(
            select(func.min(times.revision)).where(times.at_ms > received_ms)
        ).scalar()
    return at_once


def note_contact(conn: Connection, device_id: str, now_ms: int) -> None:
    """A device has spoken: its contact lasts on, or a new one begins after a longer pause."""
    last = conn.execute(_LAST_CONTACT, {"of_device": device_id, "at_ms": now_ms}).first()
    if last is None or now_ms - last.until_ms > CONTACT_PAUSE_MS_MAX:
        conn.execute(insert(contacts).values(device_id=device_id, from_ms=now_ms, until_ms=now_ms))
    elif now_ms > last.until_ms:
        conn.execute(
            update(contacts)
            .where(contacts.c.device_id == device_id, contacts.c.from_ms == last.from_ms)
            .values(until_ms=now_ms)
        )


def last_contact(conn: Connection, device_id: str, at_ms: int) -> Contact | None:
    """The contact that the device had then, or the last one before."""
    row = conn.execute(_LAST_CONTACT, {"of_device": device_id, "at_ms": at_ms}).first()
    return None if row is None else Contact(row.from_ms, row.until_ms)
