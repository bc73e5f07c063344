"""What a chunk of good rows would change: matching, duplicates, and rows before and after.

Matched by id, else by e-mail. An e-mail that another id has, or a second row of the same e-mail or
id in one list, is refused; an empty cell changes nothing; a participant who is blocked or cancelled
stays so unless the import may reinstate.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Connection, select

from shared.findable import marks_of
from shared.masking import mask_name
from shared.model import Event, ParticipantStatus
from sync_server.privacy.vault import Vault
from sync_server.registration.quality import EMAIL_MISSING, NAME_MISSING, CleanRow, Fault
from sync_server.registration.tickets import Issuer
from sync_server.storage import schema
from sync_server.storage.chunks import mappings_in
from sync_server.storage.import_tables import import_rows

Row = Mapping[str, Any]
DERIVED_ID_CHARS = 20
_SEALED = ("name", "email", "phone", "birth_date")
_OPEN = ("organization", "region", "group", "language")


# Stands for "another id has this e-mail now" until the row's last try.
_HELD = Fault("email", "duplicate_email", "Another id has this e-mail.", "")


class Outcome(Enum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Patience(Enum):
    """Which rows are put off: see `Plan`."""

    FULL = "nameless rows, and those whose e-mail another id has"
    WITH_HELD = "those whose e-mail another id has"
    NONE = "none"


@dataclass(slots=True)
class Plan:
    """Whole rows to write; `changes` are (before, after) where the rules may read a difference.

    `put_off` are rows to try again when the list is through: those without a name, which say less
    than a whole row of the same person, and those whose e-mail another id has now but a later row
    may free. So the order of rows matters little, and the same list again finds nothing to do.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    refused: list[tuple[int, list[Fault]]] = field(default_factory=list)
    participants: list[dict[str, Any]] = field(default_factory=list)
    moved_emails: list[dict[str, Any]] = field(default_factory=list)
    credentials: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[Row, Row]] = field(default_factory=list)
    created: set[str] = field(default_factory=set)
    befores: dict[str, Row] = field(default_factory=dict)  # of participants who were there
    renewed: list[str] = field(default_factory=list)  # digests of tickets that are good again
    put_off: list[tuple[int, CleanRow]] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """What the database holds of a chunk's ids, e-mails and codes."""

    by_id: dict[str, Row]
    by_email: dict[str, Row]
    owner_of_digest: dict[str, str]
    taken_back: set[str]  # cancelled by undoing an import, and untouched since


class Planner:
    """Keeps through one import what has been seen of it: hashes, so that memory stays small."""

    def __init__(
        self, event: Event, vault: Vault, import_id: str | None, *, reinstate: bool
    ) -> None:
        self._event_id = event.event_id
        self._vault = vault
        self._import_id = import_id
        self._reinstate = reinstate
        # "freed" are e-mails that this import took from their participant.
        self._seen: dict[str, set[int]] = {
            "id": set(),
            "email": set(),
            "code": set(),
            "freed": set(),
        }
        self._not_kept: list[tuple[str, int]] = []

    def plan(
        self,
        conn: Connection,
        rows: Sequence[tuple[int, CleanRow]],
        issuer: Issuer,
        now_ms: int,
        patience: Patience,
    ) -> Plan:
        """Plan a chunk of (line, row); reads only.

        Call `keep` once it is committed: a database may ask for a transaction again, and then the
        chunk has not been seen yet.
        """
        for kind, mark in self._not_kept:
            self._seen[kind].discard(mark)
        self._not_kept.clear()
        known = self._known(conn, rows, issuer)
        plan = Plan()
        for line, row in rows:
            missing = [NAME_MISSING] if row.name is None else []
            if missing and patience is Patience.FULL:
                plan.put_off.append((line, row))
                continue
            fault = self._take(plan, row, known, issuer, now_ms)
            if fault is _HELD and patience is not Patience.NONE:
                plan.put_off.append((line, row))
            elif fault is not None:
                told = self._held_fault(row, known) if fault is _HELD else fault
                plan.refused.append((line, [told, *(m for m in missing if m != told)]))
        return plan

    def keep(self) -> None:
        """What was planned last is saved, or needs no saving."""
        self._not_kept.clear()

    def _see(self, kind: str, text: str) -> None:
        mark = _mark(text)
        if mark not in self._seen[kind]:
            self._seen[kind].add(mark)
            self._not_kept.append((kind, mark))

    def _held_fault(self, row: CleanRow, known: _Known) -> Fault:
        holder = known.by_email[self._vault.email_key(row.email or "")]
        message = f"“{row.email}” is registered under the id {holder['participant_id']}."
        korean = f"“{row.email}”은(는) 아이디 {holder['participant_id']}(으)로 등록되어 있습니다."
        return Fault("email", "duplicate_email", message, korean)

    def _known(
        self, conn: Connection, rows: Sequence[tuple[int, CleanRow]], issuer: Issuer
    ) -> _Known:
        people, tickets = schema.participants, schema.credentials
        emails = {self._vault.email_key(row.email) for _, row in rows if row.email}
        ids = {row.participant_id for _, row in rows if row.participant_id}
        ids |= {self.derived_id(row.email) for _, row in rows if row.email}
        digests = {issuer.digest(row.letters) for _, row in rows if row.letters}
        by_email = {
            row["email_key"]: row
            for row in mappings_in(conn, select(people), people.c.email_key, emails)
        }
        by_id = {
            row["participant_id"]: row
            for row in mappings_in(conn, select(people), people.c.participant_id, ids)
        }
        statement = select(tickets.c.digest, tickets.c.participant_id)
        owners = {
            row["digest"]: row["participant_id"]
            for row in mappings_in(conn, statement, tickets.c.digest, digests)
        }
        cancelled = {
            row["participant_id"]: row["updated_ms"]
            for row in (*by_id.values(), *by_email.values())
            if row["status"] == ParticipantStatus.CANCELLED.value
        }
        return _Known(by_id, by_email, owners, _taken_back(conn, cancelled))

    def derived_id(self, email: str) -> str:
        """The same from event and e-mail on any server (DESIGN §5)."""
        digest = hashlib.sha256(f"{self._event_id}\x00{email}".encode()).digest()
        return "p-" + base64.b32encode(digest).decode().lower()[:DERIVED_ID_CHARS]

    def _take(
        self, plan: Plan, row: CleanRow, known: _Known, issuer: Issuer, now_ms: int
    ) -> Fault | None:
        """Plan one row, or say why not."""
        email_key = self._vault.email_key(row.email) if row.email else None
        holder = known.by_email.get(email_key) if email_key else None
        if holder is not None and _mark(holder["email_key"]) in self._seen["freed"]:
            holder = None
        if row.participant_id is not None:
            before = known.by_id.get(row.participant_id)
        elif row.email is not None:
            before = holder or known.by_id.get(self.derived_id(row.email))
        else:
            return EMAIL_MISSING
        participant_id = (
            before["participant_id"]
            if before is not None
            else row.participant_id or self.derived_id(row.email or "")
        )
        email_key = email_key or (before["email_key"] if before is not None else None)
        fault = self._repeated(participant_id, email_key, row.email)
        if fault is not None:
            return fault
        if holder is not None and holder["participant_id"] != participant_id:
            return _HELD
        digest = issuer.digest(row.letters) if row.letters else None
        fault = self._foreign_code(digest, participant_id, known)
        if fault is not None:
            return fault
        if before is None:
            if row.name is None:
                return NAME_MISSING
            if row.email is None or email_key is None:
                return EMAIL_MISSING
            self._create(plan, participant_id, row, email_key, issuer, now_ms)
        else:
            self._change(plan, before, row, email_key, known, issuer, now_ms)
        self._see("id", participant_id)
        self._see("email", email_key or "")
        if digest is not None:
            self._see("code", digest)
        return None

    def _repeated(
        self, participant_id: str, email_key: str | None, email: str | None
    ) -> Fault | None:
        if email_key is not None and email and _mark(email_key) in self._seen["email"]:
            message = f"“{email}” stands in an earlier row of this list; the first row counts."
            korean = f"“{email}”이(가) 이 목록의 다른 행에 있습니다. 먼저 나온 행을 씁니다."
            return Fault("email", "duplicate_email", message, korean)
        if _mark(participant_id) in self._seen["id"]:
            message = f"The id {participant_id} stands in an earlier row; the first row counts."
            korean = f"아이디 {participant_id}이(가) 다른 행에 있습니다. 먼저 나온 행을 씁니다."
            return Fault("id", "duplicate_id", message, korean)
        return None

    def _foreign_code(self, digest: str | None, participant_id: str, known: _Known) -> Fault | None:
        if digest is None:
            return None
        owner = known.owner_of_digest.get(digest, participant_id)
        if owner != participant_id or _mark(digest) in self._seen["code"]:
            message = "This code is another participant's ticket; a ticket never changes hands."
            korean = "다른 참가자의 티켓 코드입니다. 티켓은 주인을 바꿀 수 없습니다."
            return Fault("code", "invalid_code", message, korean)
        return None

    def _create(
        self,
        plan: Plan,
        participant_id: str,
        row: CleanRow,
        email_key: str,
        issuer: Issuer,
        now_ms: int,
    ) -> None:
        name = row.name or ""
        after: dict[str, Any] = {
            "participant_id": participant_id,
            "name": self._vault.seal(name),
            "email": self._vault.seal(row.email),
            "phone": self._vault.seal(row.phone),
            "birth_date": self._vault.seal(row.birth_date),
            "email_key": email_key,
            "masked_name": mask_name(name),
            "organization": row.organization,
            "region": row.region,
            "group": row.group,
            "language": row.language,
            "permissions": list(row.permissions or ("attendance",)),
            "status": (row.status or ParticipantStatus.REGISTERED).value,
            "import_id": self._import_id,
            "find": " ".join(marks_of(issuer.keys.digest, name, row.email, row.phone)),
            "created_ms": now_ms,
            "updated_ms": now_ms,
        }
        plan.participants.append(after)
        plan.created.add(participant_id)
        ticket = issuer.carried(after, row.letters) if row.letters else issuer.issue(after)
        plan.credentials.append(ticket)
        plan.outcomes.append(Outcome.CREATED)

    def _change(
        self,
        plan: Plan,
        before: Row,
        row: CleanRow,
        email_key: str | None,
        known: _Known,
        issuer: Issuer,
        now_ms: int,
    ) -> None:
        after = self._merged(before, row, issuer.keys.digest)
        new_ticket = row.letters is not None and (
            issuer.digest(row.letters) not in known.owner_of_digest
        )
        back = (
            before["participant_id"] in known.taken_back
            and row.status is not ParticipantStatus.CANCELLED
        )
        if back:
            after["status"] = (row.status or ParticipantStatus.REGISTERED).value
        differs = any(value != before[name] for name, value in after.items())
        if differs:
            after |= {"import_id": self._import_id or before["import_id"], "updated_ms": now_ms}
            if email_key != before["email_key"]:
                self._see("freed", before["email_key"])
                after["email_key"] = email_key
                plan.moved_emails.append(after)
            else:
                plan.participants.append(after)
            if (after["status"], after["permissions"]) != (before["status"], before["permissions"]):
                plan.changes.append((before, after))
        if new_ticket and row.letters is not None:
            plan.credentials.append(issuer.carried(after, row.letters))
        elif back and row.letters is not None:
            plan.renewed.append(issuer.digest(row.letters))
        elif back:
            plan.credentials.append(issuer.issue(after))
        if differs or new_ticket:
            plan.befores[before["participant_id"]] = before
        if back:  # as good as new: undoing this import takes them back again
            plan.created.add(before["participant_id"])
            plan.outcomes.append(Outcome.CREATED)
            return
        plan.outcomes.append(Outcome.UPDATED if differs or new_ticket else Outcome.UNCHANGED)

    def _merged(self, before: Row, row: CleanRow, digest_key: bytes) -> dict[str, Any]:
        """The row as it would be: what a cell says goes over what is stored."""
        after = {name: value for name, value in before.items() if name not in {"revision", "hash"}}
        for name in _SEALED:
            value = getattr(row, name)
            if value is not None and value != self._vault.open(before[name]):
                after[name] = self._vault.seal(value)
        for name in _OPEN:
            if getattr(row, name) is not None:
                after[name] = getattr(row, name)
        if row.name is not None:
            after["masked_name"] = mask_name(row.name)
        if row.permissions is not None:
            after["permissions"] = list(row.permissions)
        barred = before["status"] != ParticipantStatus.REGISTERED.value
        if row.status is not None and (self._reinstate or not barred):
            after["status"] = row.status.value
        after["find"] = find_of(after, self._vault, digest_key)
        return after


def _taken_back(conn: Connection, cancelled: Mapping[str, int]) -> set[str]:
    """Those of (participant id → updated_ms) whom undoing an import cancelled."""
    rows = import_rows
    statement = select(rows.c.participant_id, rows.c.undone_ms).where(rows.c.created)
    return {
        row["participant_id"]
        for row in mappings_in(conn, statement, rows.c.participant_id, list(cancelled))
        if row["undone_ms"] == cancelled[row["participant_id"]]
    }


def find_of(row: Row, vault: Vault, digest_key: bytes) -> str:
    """The marks by which gates find who this row is of (shared.findable)."""
    name, email, phone = (vault.open(row[column]) for column in ("name", "email", "phone"))
    return " ".join(marks_of(digest_key, name or "", email, phone))


def _mark(text: str) -> int:
    """64 bits stand for a text: 100,000 of them take a few megabytes."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
