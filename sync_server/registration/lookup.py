"""A supervisor at a gate looks for somebody while the gate is online: the same search as the gate's
own (shared.findable), over the whole list and answered more fully.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, desc, select

from shared import credentials
from shared.findable import normal_name
from shared.search_wire import FoundPerson, SearchAnswer
from shared.wire import format_time
from sync_server.privacy.vault import Vault
from sync_server.registration.participants import Filter, list_participants
from sync_server.registration.search import ParticipantSearch, rows_in_order
from sync_server.registration.search_index import Wanted
from sync_server.storage import schema
from sync_server.storage.chunks import mappings, mappings_in

PEOPLE_MAX = 20
QUERY_CHARS_MIN, QUERY_CHARS_MAX = 2, 200
CANDIDATES_MAX = 500  # that the index names, before they are looked at as a gate would
_PIECE_ROWS = 1_000
_CODE_PART_MIN = 4
_PHONE_END = 4
_PART = re.compile(rf"[{credentials.ALPHABET}]{{{_CODE_PART_MIN},}}")
_SEPARATORS = re.compile(r"[\s\-.()+]")

Row = Mapping[str, Any]


def search(conn: Connection, vault: Vault, people: ParticipantSearch, typed: str) -> SearchAnswer:
    """Up to 20 people by id: by ticket code or a part, phone, e-mail, name, organization or id."""
    text = typed.strip()
    if people.is_ready:
        people.catch_up(conn)
        page, cursor = people.find(conn, text, Wanted(), None, CANDIDATES_MAX)
        pieces = iter([rows_in_order(conn, sorted(page.ids))])
        more = cursor is not None
    else:
        pieces, more = _everybody(conn), False
    found: list[Row] = []
    for piece in pieces:
        owners = _owners_of_code(conn, vault, text, [row["participant_id"] for row in piece])
        found += (
            row for row in piece if row["participant_id"] in owners or _fits(row, vault, text)
        )
        if len(found) > PEOPLE_MAX:
            break
    shown = found[:PEOPLE_MAX]
    places = _places(conn, [row["participant_id"] for row in shown])
    answer = [_person(conn, row, vault, places.get(row["participant_id"])) for row in shown]
    return SearchAnswer(people=answer, more=more or len(found) > PEOPLE_MAX)


def _everybody(conn: Connection) -> Iterator[list[Row]]:
    """While the index is being filled."""
    after: str | None = ""
    while after is not None:
        rows, after, _ = list_participants(conn, Filter(after=after), _PIECE_ROWS)
        yield rows


def _fits(row: Row, vault: Vault, text: str) -> bool:
    if row["participant_id"].casefold() == text.casefold():
        return True
    email = (vault.open(row["email"]) or "").casefold()
    if "@" in text:
        return email == text.casefold()
    digits = _SEPARATORS.sub("", text)
    if digits.isdecimal() and len(digits) >= _PHONE_END:
        phone = re.sub(r"\D", "", vault.open(row["phone"]) or "")
        return phone.endswith(digits.removeprefix("0") if len(digits) > _PHONE_END else digits)
    said = normal_name(text)
    name = normal_name(vault.open(row["name"]) or "")
    if said in name or normal_name(row["group"] or "") == said:
        return True
    return bool(row["organization"]) and normal_name(row["organization"]).startswith(said)


def _owners_of_code(conn: Connection, vault: Vault, text: str, among: list[str]) -> set[str]:
    tickets = schema.credentials
    part = _SEPARATORS.sub("", text.upper()).removeprefix("GS:")
    code = credentials.parse(text)
    if isinstance(code, credentials.TicketCode):
        part = code.letters
    if not _PART.fullmatch(part):
        return set()
    held = select(tickets.c.participant_id, tickets.c.code).where(tickets.c.kind == "ticket")
    found = mappings_in(conn, held, tickets.c.participant_id, among)
    return {row["participant_id"] for row in found if part in (vault.open(row["code"]) or "")}


def _places(conn: Connection, ids: Iterable[str]) -> dict[str, Row]:
    held = schema.presences
    found = mappings_in(conn, select(held), held.c.participant_id, list(ids))
    return {row["participant_id"]: row for row in found}


def _person(conn: Connection, row: Row, vault: Vault, place: Row | None) -> FoundPerson:
    phone = re.sub(r"\D", "", vault.open(row["phone"]) or "")
    person = FoundPerson(
        participant_id=row["participant_id"],
        name=vault.open_text(row["name"]),
        masked_name=row["masked_name"],
        status=row["status"],
        organization=row["organization"],
        group=row["group"],
        email=_masked_email(vault.open(row["email"])),
        phone_end=phone[-_PHONE_END:] or None,
    )
    if place is not None:
        person.inside = place["inside"]
        person.last_at = None if place["last_ms"] is None else format_time(place["last_ms"])
        person.last_gate_id = place["last_gate_id"]
        person.last_direction = place["last_direction"]
        person.last_method = _last_method(conn, row["participant_id"])
    return person


def _last_method(conn: Connection, participant_id: str) -> str | None:
    scans = schema.scans
    statement = (
        select(scans.c.method)
        .where(scans.c.participant_id == participant_id, scans.c.admitted)
        .order_by(desc(scans.c.occurred_ms), desc(scans.c.row_id))
        .limit(1)
    )
    row = next(mappings(conn, statement), None)
    return None if row is None else str(row["method"])


def _masked_email(email: str | None) -> str | None:
    if not email:
        return None
    name, _, host = email.partition("@")
    return f"{name[:1]}***@{host}"
