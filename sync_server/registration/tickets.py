"""Tickets: issued, carried over, revoked and issued anew (DESIGN §6).

Every function of a connection is one job, or part of one, inside a transaction.
"""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from shared import credentials, findable
from shared.credentials import Claims
from shared.model import (
    CredentialKind,
    CredentialStatus,
    Event,
    EventStatus,
    ParticipantStatus,
    SignedTickets,
)
from sync_server.attendance import merge_store
from sync_server.identity.keys import ServerKeys
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import record_change
from sync_server.storage.schema import PARTNER_DEVICE_PREFIX

Row = Mapping[str, Any]


def signs_now(conn: Connection, event: Event, now_ms: int) -> bool:
    """Whether a ticket issued now is signed: `late` means that gates may not learn it in time."""
    setting = event.settings.signed_tickets
    if setting is not SignedTickets.LATE:
        return setting is SignedTickets.ALWAYS
    if event.status_at(now_ms) is not EventStatus.LIVE:
        return False
    devices = schema.devices
    enrolled = select(devices.c.device_id).where(
        devices.c.state != "revoked",
        ~devices.c.device_id.startswith(PARTNER_DEVICE_PREFIX, autoescape=True),
    )
    return conn.execute(enrolled.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes tickets' rows for one event at one moment."""

    event: Event
    vault: Vault
    keys: ServerKeys
    now_ms: int
    signs: bool

    @classmethod
    def now(
        cls, conn: Connection, event: Event, vault: Vault, keys: ServerKeys, now_ms: int
    ) -> "Issuer":
        return cls(event, vault, keys, now_ms, signs_now(conn, event, now_ms))

    def digest(self, letters: str) -> str:
        return credentials.ticket_digest(self.keys.digest, letters)

    def issue(self, participant: Row) -> dict[str, Any]:
        """A new ticket: 80 random bits."""
        letters = credentials.make_letters(secrets.token_bytes(credentials.RANDOM_BYTES))
        row = self.carried(participant, letters)
        if self.signs:
            row["signed_payload"] = self.vault.seal(self._signed(participant, row, letters))
        return row

    def carried(self, participant: Row, letters: str) -> dict[str, Any]:
        """A ticket that is already out."""
        return {
            "credential_id": str(uuid.uuid4()),
            "participant_id": participant["participant_id"],
            "kind": CredentialKind.TICKET.value,
            "digest": self.digest(letters),
            "code": self.vault.seal(letters),
            "status": CredentialStatus.ACTIVE.value,
            "valid_from_ms": None,
            "valid_until_ms": None,
            "issued_ms": self.now_ms,
            "shared_digest": None,
            "signed_payload": None,
            "mark": findable.code_mark(self.keys.digest, letters),
        }

    def _signed(self, participant: Row, ticket: Row, letters: str) -> str:
        claims = Claims(
            key_id=credentials.key_id(self.keys.public),
            event=credentials.event_mark(self.event.event_id),
            participant_id=participant["participant_id"],
            credential_id=ticket["credential_id"],
            issued_at_s=self.now_ms // 1_000,
            valid_from_s=None,
            valid_until_s=None,
            permissions=list(participant["permissions"]),
            name=participant["masked_name"],
        )
        return credentials.sign_payload(self.event.tag, letters, claims, self.keys.private)


def issue_ticket(
    conn: Connection, participant_id: str, vault: Vault, keys: ServerKeys, now_ms: int
) -> dict[str, Any] | None:
    """A new ticket that revokes the participant's earlier ones; None where there is nobody."""
    people = schema.participants
    found = select(people).where(people.c.participant_id == participant_id)
    participant = next(mappings(conn, found), None)
    if participant is None:
        return None
    tickets = schema.credentials
    earlier = select(tickets).where(
        tickets.c.participant_id == participant_id,
        tickets.c.kind == CredentialKind.TICKET.value,
        tickets.c.status == CredentialStatus.ACTIVE.value,
    )
    for row in list(mappings(conn, earlier)):
        _revoke(conn, row, now_ms)
    ticket = Issuer.now(conn, load_event(conn), vault, keys, now_ms).issue(participant)
    revisions.upsert(conn, tickets, ticket)
    merge_store.refold(conn, [participant_id], now_ms, digests=[ticket["digest"]])
    return ticket


def revoke_credential(conn: Connection, credential_id: str, now_ms: int) -> bool:
    """Revoke for good; False where there is no such credential."""
    tickets = schema.credentials
    found = select(tickets).where(tickets.c.credential_id == credential_id)
    row = next(mappings(conn, found), None)
    if row is None:
        return False
    if _revoke(conn, row, now_ms):
        merge_store.refold(conn, [row["participant_id"]], now_ms)
    return True


def _revoke(conn: Connection, row: Row, now_ms: int) -> bool:
    after = {**row, "status": CredentialStatus.REVOKED.value}
    if not revisions.upsert(conn, schema.credentials, after):
        return False
    record_change(conn, "credential", row["credential_id"], row, after, now_ms)
    return True


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a printer needs of one ticket."""

    participant_id: str
    name: str
    code: str  # readable
    payload: str  # what the QR holds
    organization: str | None = None
    group: str | None = None
    language: str | None = None  # ko or en, where the participant said so


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose tickets; None is anybody's, an empty group is none."""

    participant_id: str | None = None
    status: str = ParticipantStatus.REGISTERED.value
    group: str | None = None
    at_most: int | None = None


EVERYBODY = Chosen()


def ticket_rows(conn: Connection, vault: Vault, chosen: Chosen = EVERYBODY) -> list[dict[str, Any]]:
    """The newest active ticket of each of them, by id, as `Ticket`'s members."""
    people, tickets = schema.participants, schema.credentials
    tag = load_event(conn).tag
    statement = (
        select(
            people.c.participant_id,
            people.c.name,
            people.c.organization,
            people.c.group,
            people.c.language,
            tickets.c.code,
            tickets.c.signed_payload,
        )
        .join(tickets, tickets.c.participant_id == people.c.participant_id)
        .where(
            people.c.status == chosen.status,
            tickets.c.kind == CredentialKind.TICKET.value,
            tickets.c.status == CredentialStatus.ACTIVE.value,
            tickets.c.code.is_not(None),
        )
        .order_by(people.c.participant_id, tickets.c.issued_ms, tickets.c.credential_id)
    )
    if chosen.participant_id is not None:
        statement = statement.where(people.c.participant_id == chosen.participant_id)
    if chosen.group is not None:
        statement = statement.where(people.c.group == (chosen.group or None))
    if chosen.at_most is not None:
        statement = statement.limit(chosen.at_most)
    newest: dict[str, dict[str, Any]] = {}
    for row in conn.execute(statement):
        letters = vault.open_text(row.code)
        newest[row.participant_id] = {
            "participant_id": row.participant_id,
            "name": vault.open_text(row.name),
            "code": credentials.readable(tag, letters),
            "payload": vault.open(row.signed_payload) or credentials.payload(tag, letters),
            "organization": row.organization,
            "group": row.group,
            "language": row.language,
        }
    return list(newest.values())


def tickets_of(conn: Connection, vault: Vault, chosen: Chosen = EVERYBODY) -> list[Ticket]:
    return [Ticket(**row) for row in ticket_rows(conn, vault, chosen)]
