"""What a waiting mail says, read when it is about to be sent: address, name, code as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from shared import credentials
from shared.model import CredentialStatus, Event, ParticipantStatus
from sync_server.mail import queue
from sync_server.mail.alert_words import alert_texts
from sync_server.mail.settings import LANGUAGES
from sync_server.mail.texts import DEFAULTS, Texts, render
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import find_participant
from sync_server.registration.tickets import Chosen, Ticket, tickets_of
from sync_server.storage import schema
from sync_server.storage.mail_tables import mail_texts, mails

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a mail is made of; equal as long as nothing of it has changed."""

    to: str
    to_name: str
    language: str
    event: str
    list_name: str
    texts: Texts  # filled in
    ticket: Ticket | None
    credential_id: str | None
    occasion: Event | None = None  # for the ticket on paper


@dataclass(frozen=True, slots=True)
class NoLetter:
    """Nobody is to get it any more, and why."""

    reason: str


def letter_for(conn: Connection, vault: Vault, row: Row, language: str) -> Letter | NoLetter:
    """`language` is for who has no wish of their own."""
    event = load_event(conn)
    if row["kind"] == queue.Kind.ALERT.value:
        return Letter(
            to=vault.open_text(row["address"]), to_name="", language=language, event=event.name,
            list_name=event.event_id, texts=alert_texts(row["data"], event.name), ticket=None,
            credential_id=None,
        )  # fmt: skip
    return _ticket_letter(conn, vault, event, row, language)


def _ticket_letter(
    conn: Connection, vault: Vault, event: Event, row: Row, language: str
) -> Letter | NoLetter:
    participant_id = row["participant_id"]
    person = find_participant(conn, participant_id)
    if person is None:
        return NoLetter("There is no such participant any more.")
    if person["status"] != ParticipantStatus.REGISTERED.value:
        return NoLetter(f"The participant is {person['status']}: no ticket is mailed.")
    address = vault.open(person["email"])
    if not address:
        return NoLetter("The participant has no e-mail address.")
    current = current_ticket(conn, participant_id)
    held = tickets_of(conn, vault, Chosen(participant_id))
    if current is None or not held:
        return NoLetter("The ticket was revoked, and there is no other.")
    if current != row["credential_id"] and _known(conn, current, row["mail_id"]):
        return NoLetter("A newer ticket has a mail of its own.")
    spoken = wish(person) or language
    name = vault.open_text(person["name"])
    values = values_of(event, person, name, held[0].code, spoken)
    return Letter(
        to=address, to_name=name, language=spoken, event=event.name, list_name=event.event_id,
        texts=render(texts_of(conn, spoken), values), ticket=held[0], credential_id=current,
        occasion=event,
    )  # fmt: skip


def wish(person: Row) -> str | None:
    """The language that the participant asked for, if it is one of ours."""
    language = person.get("language")
    return language if language in LANGUAGES else None


def current_ticket(conn: Connection, participant_id: str) -> str | None:
    """The credential that `tickets_of` shows: the newest active one."""
    held = schema.credentials
    found: str | None = conn.execute(
        select(held.c.credential_id)
        .where(
            held.c.participant_id == participant_id,
            held.c.kind == "ticket",
            held.c.status == CredentialStatus.ACTIVE.value,
            held.c.code.is_not(None),
        )
        .order_by(held.c.issued_ms.desc(), held.c.credential_id.desc())
        .limit(1)
    ).scalar()
    return found


def _known(conn: Connection, credential_id: str, mail_id: int) -> bool:
    """Whether this ticket has a mail of its own."""
    brings = (mails.c.credential_id == credential_id) & (mails.c.mail_id != mail_id)
    return conn.execute(select(mails.c.mail_id).where(brings).limit(1)).first() is not None


def texts_of(conn: Connection, language: str) -> Texts:
    """An organiser's own words, else ours."""
    row = conn.execute(select(mail_texts).where(mail_texts.c.language == language)).first()
    return DEFAULTS[language] if row is None else Texts(row.subject, row.body)


def values_of(event: Event, person: Row, name: str, code: str, language: str) -> dict[str, str]:
    """What the variables of a text stand for."""
    return {
        "name": name,
        "event": event.name,
        "venue": event.venue,
        "starts": _spoken(event.start_ms, event.time_zone, language),
        "ends": _spoken(event.end_ms, event.time_zone, language),
        "code": code,
        "organization": person.get("organization") or "",
        "group": person.get("group") or "",
        "id": person["participant_id"],
    }


def sample(event: Event, texts: Texts, language: str) -> Letter:
    """A mail to nobody, to look at; its code is no ticket's."""
    name = {"ko": "홍길동", "en": "Jane Doe"}[language]
    person = {"participant_id": "P0001", "organization": "Example", "group": ""}
    letters = "SAMP1E00000000000"
    code = credentials.readable(event.tag, letters)
    ticket = Ticket("P0001", name, code, credentials.payload(event.tag, letters))
    filled = render(texts, values_of(event, person, name, code, language))
    return Letter("", name, language, event.name, event.event_id, filled, ticket, None, event)


_WEEKDAYS = {"ko": "월화수목금토일", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}


def _spoken(at_ms: int, zone: str, language: str) -> str:
    at = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(zone))
    day = _WEEKDAYS[language][at.weekday()]
    if language == "ko":
        return f"{at.year}년 {at.month}월 {at.day}일 ({day}) {at:%H:%M}"
    return f"{day}, {at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
