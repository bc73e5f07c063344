"""Who could know what, and when: the head's times and the devices' contacts (P11).

A conflict between two gates is explained by what each could know. A scan names the cursor up to
which its gate had read; `head_times` tells which revision made another scan visible, and
`contacts` when a device last spoke with this server.
"""

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from shared.merge import Kind
from shared.wire import format_time, parse_cursor
from sync_server.storage import revisions
from sync_server.storage.schema import (
    PARTNER_DEVICE_PREFIX,
    contacts,
    credentials,
    dated_changes,
    entries,
    events,
    gates,
    head_times,
    participants,
)

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


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a gate could know when it made a scan that became a conflict.

    `known_at_ms`: when the server knew what stands against it: the earlier scan arrived, or
    (`changed`) an operator changed something. `last_heard_ms` is None where no contact before the
    scan is on record.
    """

    known_at_ms: int
    could_know: bool
    last_heard_ms: int | None = None
    in_contact: bool = False
    changed: bool = False
    same_device: bool = False
    at_server: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "couldKnow": self.could_know,
            "knownToServerAt": format_time(self.known_at_ms),
            "inContact": self.in_contact,
            "lastHeardAt": None if self.last_heard_ms is None else format_time(self.last_heard_ms),
        }


def knowledge_of(conn: Connection, scan: Any, against: Any | None) -> Knowledge | None:
    """Of a conflict (rows of schema.scans); None where nothing that anybody could know caused it."""
    changed = against is None
    if against is not None:
        known_at_ms, revision = int(against.received_ms), visible_from(conn, against.received_ms)
    else:
        change = _change_before(conn, scan)
        if change is None:
            return None
        known_at_ms, revision = change
    if against is not None and against.device_id == scan.device_id:
        return Knowledge(known_at_ms, could_know=True, same_device=True)
    if scan.device_id.startswith(PARTNER_DEVICE_PREFIX):
        could = known_at_ms < scan.received_ms
        return Knowledge(known_at_ms, could_know=could, changed=changed, at_server=True)
    contact = last_contact(conn, scan.device_id, scan.occurred_ms)
    in_contact = contact is not None and contact.until_ms >= scan.occurred_ms
    heard_ms = None if contact is None else min(contact.until_ms, int(scan.occurred_ms))
    return Knowledge(
        known_at_ms,
        could_know=_could_know(conn, scan, known_at_ms, revision, heard_ms),
        last_heard_ms=heard_ms,
        in_contact=in_contact,
        changed=changed,
    )


def _could_know(
    conn: Connection, scan: Any, known_at_ms: int, revision: int | None, heard_ms: int | None
) -> bool:
    """By the cursor that the scan names, where it is of this life of the server; else by time."""
    seen = _cursor_of(conn, scan)
    if seen is not None and seen[0] == revisions.head(conn).generation and revision is not None:
        return revision <= seen[1]
    return heard_ms is not None and known_at_ms <= heard_ms


def _cursor_of(conn: Connection, scan: Any) -> tuple[str, int] | None:
    """How far the gate's list had been read when it made this scan: from the entry as it came."""
    body = conn.execute(
        select(entries.c.body).where(
            entries.c.device_id == scan.device_id,
            entries.c.epoch == scan.epoch,
            entries.c.seq == scan.seq,
            entries.c.checksum == scan.checksum,
        )
    ).scalar()
    try:
        cursor = None if body is None else json.loads(body).get("replicaCursor")
        return None if cursor is None else parse_cursor(cursor)
    except ValueError:
        return None


def _change_before(conn: Connection, scan: Any) -> tuple[int, int | None] | None:
    """When what the conflict is about was last changed before the scan, and its row's revision."""
    credential = (credentials.c.credential_id, "credential", scan.credential_id)
    person = (participants.c.participant_id, "participant", scan.participant_id)
    gate = (gates.c.gate_id, "gate", scan.gate_id)
    event = (events.c.event_id, "event", conn.execute(select(events.c.event_id)).scalar())
    found: list[tuple[int, int | None]] = []
    for key, subject, subject_id in {
        Kind.REVOKED: [credential],
        Kind.CANCELLED: [person],
        Kind.BLOCKED: [person],
        Kind.NOT_PERMITTED: [person, gate],
        Kind.GATE_CLOSED: [gate, event],
        Kind.OUTSIDE_PERIOD: [event, credential],
    }.get(scan.verdict_kind, []):
        at_ms = conn.execute(
            select(func.max(dated_changes.c.at_ms)).where(
                dated_changes.c.subject == subject,
                dated_changes.c.subject_id == subject_id,
                dated_changes.c.at_ms <= scan.occurred_ms,
            )
        ).scalar()
        if at_ms is not None:
            asked = select(key.table.c.revision).where(key == subject_id)
            found.append((at_ms, conn.execute(asked).scalar()))
    return max(found, default=None, key=itemgetter(0))
