"""What happened to one participant: scans, dated changes, tickets and beacons, mails; newest first."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from shared.wire import format_time
from sync_server.attendance import review
from sync_server.attendance.review import ScanFilter
from sync_server.storage import schema
from sync_server.storage.chunks import mappings, mappings_in
from sync_server.storage.mail_tables import mails

ITEMS_MAX = 500  # of each kind, the newest


def history_of(conn: Connection, participant_id: str) -> list[dict[str, Any]]:
    """Each with `at` and `type`: scan, change, issued or mail."""
    held = schema.credentials
    tickets = list(mappings(conn, select(held).where(held.c.participant_id == participant_id)))
    items = [
        *_scans(conn, participant_id),
        *_changes(conn, [participant_id, *(row["credential_id"] for row in tickets)]),
        *(
            {
                "at": format_time(row["issued_ms"]),
                "type": "issued",
                "subjectId": row["credential_id"],
                "kind": row["kind"],
            }
            for row in tickets
        ),
        *_mails(conn, participant_id),
    ]
    return sorted(items, key=lambda item: str(item["at"]), reverse=True)


def _scans(conn: Connection, participant_id: str) -> Iterable[dict[str, Any]]:
    asked = ScanFilter(participant_id=participant_id, limit=ITEMS_MAX)
    for scan in review.list_attendance(conn, asked)["items"]:
        yield {"at": scan["occurredAt"], "type": "scan", "scan": scan}


def _changes(conn: Connection, subject_ids: list[str]) -> Iterable[dict[str, Any]]:
    """What the rules read of somebody, and when that changed; first values have no time."""
    changes = schema.dated_changes
    statement = (
        select(changes)
        .where(changes.c.at_ms.is_not(None), changes.c.subject.in_(("participant", "credential")))
        .order_by(changes.c.change_id.desc())
        .limit(ITEMS_MAX)
    )
    for row in mappings_in(conn, statement, changes.c.subject_id, subject_ids):
        yield {
            "at": format_time(row["at_ms"]),
            "type": "change",
            "subject": row["subject"],
            "subjectId": row["subject_id"],
            "value": row["value"],
        }


def _mails(conn: Connection, participant_id: str) -> Iterable[dict[str, Any]]:
    statement = (
        select(mails.c.state, mails.c.at_ms, mails.c.reason)
        .where(mails.c.participant_id == participant_id)
        .order_by(mails.c.mail_id.desc())
        .limit(ITEMS_MAX)
    )
    for row in mappings(conn, statement):
        yield {
            "at": format_time(row["at_ms"]),
            "type": "mail",
            "state": row["state"],
            "reason": row["reason"],
        }
