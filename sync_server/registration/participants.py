"""One participant at a time: the same rules and the same writing as an import (DESIGN §6).

Every function is one job, or part of one, inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from shared import credentials, wire
from shared.errors import PermanentError
from shared.model import ParticipantStatus
from sync_server.identity.keys import ServerKeys
from sync_server.privacy.vault import Vault
from sync_server.registration.beacons import public_code
from sync_server.registration.event_store import load_event
from sync_server.registration.importer import write_plan
from sync_server.registration.planning import Patience, Planner, Row, find_of
from sync_server.registration.quality import EMAIL_MISSING, NAME_MISSING, Fault, Rules, clean
from sync_server.registration.tickets import Issuer
from sync_server.storage import schema
from sync_server.storage.chunks import mappings

# Members of API §2 that may be emptied again, and their columns.
CLEARABLE = {
    "phone": "phone",
    "organization": "organization",
    "birthDate": "birth_date",
    "region": "region",
    "group": "group",
    "language": "language",
}
REPEATED_CODES = frozenset({"duplicate_email", "duplicate_id"})  # 409, all others 400
STATUSES = tuple(ParticipantStatus)


class RegistrationRefusedError(PermanentError):
    """The registration breaks a quality rule; `faults` say which, `repeated` that one is there."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = tuple(faults)
        self.repeated = any(fault.code in REPEATED_CODES for fault in faults)


@dataclass(frozen=True, slots=True)
class Registrar:
    """Saves one registration; `now_ms` is the transaction's one moment."""

    vault: Vault
    keys: ServerKeys
    now_ms: int

    def create(self, conn: Connection, cells: Mapping[str, str]) -> Row:
        """Register from members as the CSV's columns name them, with a ticket."""
        participant_id = cells.get("id", "").strip()
        if participant_id and find_participant(conn, participant_id) is not None:
            message = f"There is a participant with the id {participant_id} already."
            korean = f"아이디 {participant_id}을(를) 쓰는 참가자가 이미 있습니다."
            raise RegistrationRefusedError([Fault("id", "duplicate_id", message, korean)])
        email = cells.get("email", "").strip()
        if email and self._holder(conn, email):
            message = f"“{email}” is registered already."
            korean = f"“{email}”은(는) 이미 등록되어 있습니다."
            raise RegistrationRefusedError([Fault("email", "duplicate_email", message, korean)])
        return self._save(conn, cells, {})

    def change(
        self, conn: Connection, participant_id: str, cells: Mapping[str, str | None]
    ) -> Row | None:
        """Set members; None or a blank empties one that may be empty. None where there is nobody.

        An operator's word may lift `blocked` and `cancelled`, which an import's may not.
        """
        if find_participant(conn, participant_id) is None:
            return None
        blank = {name for name, text in cells.items() if not (text or "").strip()}
        faults = [fault for fault in (NAME_MISSING, EMAIL_MISSING) if fault.field in blank]
        if faults:
            raise RegistrationRefusedError(faults)
        given = {name: text for name, text in cells.items() if text and name not in blank}
        cleared = {CLEARABLE[name]: None for name in blank if name in CLEARABLE}
        return self._save(conn, {**given, "id": participant_id}, cleared)

    def cancel(self, conn: Connection, participant_id: str) -> Row | None:
        return self.change(conn, participant_id, {"status": ParticipantStatus.CANCELLED.value})

    def _holder(self, conn: Connection, email: str) -> bool:
        people = schema.participants
        key = self.vault.email_key(email)
        found = select(people.c.participant_id).where(people.c.email_key == key)
        return conn.execute(found).first() is not None

    def _save(self, conn: Connection, cells: Mapping[str, str], cleared: Row) -> Row:
        event = load_event(conn)
        judged = clean(cells, Rules.of(event))
        if isinstance(judged, list):
            raise RegistrationRefusedError(judged)
        issuer = Issuer.now(conn, event, self.vault, self.keys, self.now_ms)
        planner = Planner(event, self.vault, None, reinstate=True)
        plan = planner.plan(conn, [(1, judged)], issuer, self.now_ms, Patience.NONE)
        if plan.refused:
            raise RegistrationRefusedError(plan.refused[0][1])
        participant_id = judged.participant_id or planner.derived_id(judged.email or "")
        if cleared:
            rows = plan.participants or plan.moved_emails
            held = find_participant(conn, participant_id)
            if not rows and held is not None:
                rows = plan.participants
                rows.append({**held, "updated_ms": self.now_ms})
            rows[0].update(cleared)
            rows[0]["find"] = find_of(rows[0], self.vault, self.keys.digest)
        write_plan(conn, plan, self.now_ms)
        row = find_participant(conn, participant_id)
        assert row is not None, "what was just saved is there"
        return row


def find_participant(conn: Connection, participant_id: str) -> Row | None:
    people = schema.participants
    statement = select(people).where(people.c.participant_id == participant_id)
    return next(mappings(conn, statement), None)


@dataclass(frozen=True, slots=True)
class Filter:
    """What those listed must be, an empty group being none; `after` is a cursor."""

    status: str | None = None
    group: str | None = None
    after: str | None = None


def list_participants(
    conn: Connection, wanted: Filter, limit: int
) -> tuple[list[Row], str | None, int]:
    """Up to `limit` participants by id, the cursor of the next page, and how many there are."""
    people = schema.participants
    chosen = [] if wanted.status is None else [people.c.status == wanted.status]
    if wanted.group is not None:
        chosen.append(people.c.group == (wanted.group or None))
    statement = (
        select(people)
        .where(people.c.participant_id > (wanted.after or ""), *chosen)
        .order_by(people.c.participant_id)
        .limit(limit + 1)
    )
    found = list(mappings(conn, statement))
    total = conn.execute(select(func.count()).select_from(people).where(*chosen)).scalar_one()
    shown = found[:limit]
    return shown, shown[-1]["participant_id"] if len(found) > limit else None, int(total)


def groups(conn: Connection) -> list[dict[str, Any]]:
    """How many of each status are in each group, and in none (null), by name."""
    people = schema.participants
    counted = conn.execute(
        select(people.c.group, people.c.status, func.count()).group_by(
            people.c.group, people.c.status
        )
    )
    found: dict[str | None, dict[str, Any]] = {}
    for group, status, count in counted:
        item = found.setdefault(group, {"group": group, **{one.value: 0 for one in STATUSES}})
        item[status] = count
    return [found[name] for name in sorted(found, key=lambda name: (name is None, name or ""))]


def participant_json(row: Row, vault: Vault) -> dict[str, Any]:
    """A participant as its operators see it."""
    return {
        "id": row["participant_id"],
        "name": vault.open(row["name"]),
        "email": vault.open(row["email"]),
        "phone": vault.open(row["phone"]),
        "organization": row["organization"],
        "birthDate": vault.open(row["birth_date"]),
        "region": row["region"],
        "group": row["group"],
        "language": row["language"],
        "permissions": row["permissions"],
        "status": row["status"],
        "importId": row["import_id"],
        "createdAt": wire.format_time(row["created_ms"]),
        "updatedAt": wire.format_time(row["updated_ms"]),
    }


def credentials_of(conn: Connection, participant_id: str) -> list[Row]:
    held = schema.credentials
    statement = (
        select(held)
        .where(held.c.participant_id == participant_id)
        .order_by(held.c.issued_ms, held.c.credential_id)
    )
    return list(mappings(conn, statement))


def credential_json(row: Row, vault: Vault, tag: str) -> dict[str, Any]:
    """A credential as its operators see it: a ticket with its readable code, no badge's key."""
    code = vault.open(row["code"])
    if code:
        ticket = row["kind"] == "ticket"
        code = credentials.readable(tag, code) if ticket else public_code(code)
    return {
        "id": row["credential_id"],
        "participantId": row["participant_id"],
        "kind": row["kind"],
        "status": row["status"],
        "code": code,
        "issuedAt": wire.format_time(row["issued_ms"]),
        "signed": row["signed_payload"] is not None,
    }
