"""Participants: registered, changed, cancelled, listed (API §2); lists of them: `imports`."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.limits import LIST_ITEMS_DEFAULT, SEARCH_CHARS_MAX, SEARCH_FILLED_WITHIN_S
from shared.model import ParticipantStatus
from sync_server.http import answers, answers_people
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import ItemsAtMost
from sync_server.http.review import checked_limit
from sync_server.http.routing import Call, Query, Route, json_response, no_content
from sync_server.identity.rights import Right
from sync_server.mail.choosing import queue_ticket
from sync_server.mail.settings import REGISTERED
from sync_server.registration import participants
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import Filter, Registrar, RegistrationRefusedError
from sync_server.registration.search import rows_in_order
from sync_server.registration.search_index import Wanted

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Text = Annotated[str, msgspec.Meta(max_length=500)]
Language = Literal["ko", "en"]  # what a kiosk speaks
Permissions = Annotated[list[Text], msgspec.Meta(max_length=100)]
SomePermissions = Annotated[list[Text], msgspec.Meta(min_length=1, max_length=100)]
_MEMORY_BYTES = 1024 * 1024  # a larger upload waits on disk


class NewParticipant(wire.Request, kw_only=True):
    """Members as the columns of the participants' CSV (API §3.1)."""

    name: Text
    email: Text
    id: Text | None = None
    phone: Text | None = None
    organization: Text | None = None
    birth_date: Text | None = None
    region: Text | None = None
    group: Text | None = None
    language: Language | None = None
    permissions: Permissions | None = None
    status: ParticipantStatus | None = None
    code: Text | None = None


class ParticipantPatch(wire.Request, kw_only=True):
    """Members left out stay as they are; null empties one that may be empty."""

    name: Text | Unset = UNSET
    email: Text | Unset = UNSET
    phone: Text | Unset | None = UNSET
    organization: Text | Unset | None = UNSET
    birth_date: Text | Unset | None = UNSET
    region: Text | Unset | None = UNSET
    group: Text | Unset | None = UNSET
    language: Language | Unset | None = UNSET
    permissions: SomePermissions | Unset = UNSET
    status: ParticipantStatus | Unset = UNSET


class ListQuery(Query):
    q: str | None = None
    status: ParticipantStatus | None = None
    group: str | None = None
    cursor: str | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


async def create(call: Call) -> web.StreamResponse:
    body: NewParticipant = await call.body()
    cells = {name: text for name, text in _cells(body).items() if text is not None}

    def job(conn: Connection) -> dict[str, Any]:
        row = _registrar(call).create(conn, cells)
        if call.services.mail.settings.queues(REGISTERED):
            queue_ticket(conn, row["participant_id"], call.received_ms)
        return _shown(conn, call, row)

    answer = await _registered(call, job)
    call.services.mail.wake()
    return json_response(answer, 201)


async def change(call: Call) -> web.StreamResponse:
    patch: ParticipantPatch = await call.body()
    cells, participant_id = _cells(patch), call.part("id")

    def job(conn: Connection) -> dict[str, Any]:
        row = _registrar(call).change(conn, participant_id, cells)
        return _shown(conn, call, _found(row, participant_id))

    return json_response(await _registered(call, job))


async def cancel(call: Call) -> web.StreamResponse:
    participant_id = call.part("id")

    def job(conn: Connection) -> None:
        _found(_registrar(call).cancel(conn, participant_id), participant_id)

    await call.services.database.write(job)
    return no_content()


async def read(call: Call) -> web.StreamResponse:
    participant_id = call.part("id")

    def job(conn: Connection) -> dict[str, Any]:
        row = participants.find_participant(conn, participant_id)
        return _shown(conn, call, _found(row, participant_id))

    return json_response(await call.services.database.read(job))


async def list_all(call: Call) -> web.StreamResponse:
    """Without `q` by id. With `q` who fits best comes first: every word must be there, each as a
    part of anything. `group` may be empty: people without one. `total` counts all pages.
    """
    query: ListQuery = call.query
    limit = checked_limit(query.limit)
    if query.q is not None and len(query.q) > SEARCH_CHARS_MAX:
        raise invalid("q", f"Search with at most {SEARCH_CHARS_MAX} characters.")
    status = query.status.value if query.status is not None else None
    if query.q is None or not query.q.strip():
        job = partial(_by_id, Filter(status, query.group, query.cursor), limit)
    else:
        await _search_ready(call)
        job = partial(_found_by, call, query.q, Wanted(status, query.group), query.cursor, limit)
    rows, cursor, total = await call.services.database.read(job)
    items = [participants.participant_json(row, call.services.vault) for row in rows]
    return json_response({"items": items, "cursor": cursor, "total": total})


_Listed = tuple[list[Mapping[str, Any]], str | None, int]


def _by_id(wanted: Filter, limit: int, conn: Connection) -> _Listed:
    return participants.list_participants(conn, wanted, limit)


def _found_by(
    call: Call, text: str, wanted: Wanted, cursor: str | None, limit: int, conn: Connection
) -> _Listed:
    search = call.services.search
    search.catch_up(conn)
    try:
        page, after = search.find(conn, text, wanted, cursor, limit)
    except ValueError as error:
        raise invalid("cursor", str(error)) from error
    return rows_in_order(conn, page.ids), after, page.total


async def _search_ready(call: Call) -> None:
    if not await call.services.search.ready(SEARCH_FILLED_WITHIN_S):
        raise ApiError(
            503, "search_is_filling", "The search is being made ready: try again in a moment.",
            headers={"Retry-After": "2"},
        )  # fmt: skip


async def list_groups(call: Call) -> web.StreamResponse:
    found = await call.services.database.read(participants.groups)
    return json_response({"items": found, "cursor": None})


async def _registered(call: Call, job: Any) -> dict[str, Any]:
    try:
        shown: dict[str, Any] = await call.services.database.write(job)
    except RegistrationRefusedError as refused:
        fault = refused.faults[0]
        raise ApiError(
            409 if refused.repeated else 400,
            fault.code,
            fault.message,
            field=fault.field or None,
            errors=[one.as_json() for one in refused.faults],
        ) from refused
    return shown


def _registrar(call: Call) -> Registrar:
    return Registrar(call.services.vault, call.services.keys, call.received_ms)


def _cells(body: NewParticipant | ParticipantPatch) -> dict[str, str | None]:
    """Members as the import's cells: text, permissions joined by `;`."""
    given = {
        name: getattr(body, field)
        for field, name in zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True)
        if getattr(body, field) is not UNSET
    }
    return {
        name: ";".join(value) if isinstance(value, list) else value for name, value in given.items()
    }


def _shown(conn: Connection, call: Call, row: Mapping[str, Any]) -> dict[str, Any]:
    vault = call.services.vault
    tag = load_event(conn).tag
    held = participants.credentials_of(conn, row["participant_id"])
    return {
        **participants.participant_json(row, vault),
        "credentials": [participants.credential_json(one, vault, tag) for one in held],
    }


def _found(row: Mapping[str, Any] | None, participant_id: str) -> Mapping[str, Any]:
    if row is None:
        raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
    return row


_SOMEBODY = {"name": "홍길동", "email": "gildong@example.com", "phone": "010-1234-5678"}

ROUTES = (
    Route("POST", "/api/v1/participants", Right.OPERATOR, create,
          "Register one participant, with a ticket", "participants",
          request=NewParticipant, example=_SOMEBODY, response=answers.ParticipantAnswer, status=201,
          statuses=(400, 409, 413, 415)),
    Route("GET", "/api/v1/groups", Right.OPERATOR, list_groups,
          "The groups there are, with how many participants of each status", "participants",
          response=answers.Page[answers_people.GroupItem]),
    Route("GET", "/api/v1/participants", Right.OPERATOR, list_all,
          "Participants; `q` looks for parts of anything: name (also its first consonants), e-mail, "
          "phone however written, organization, group, region, id, ticket code, status",
          "participants", query=ListQuery, response=answers_people.ParticipantPage,
          statuses=(400,)),
    Route("GET", "/api/v1/participants/{id}", Right.OPERATOR, read,
          "One participant with their tickets and beacons", "participants",
          response=answers.ParticipantAnswer, statuses=(404,)),
    Route("PATCH", "/api/v1/participants/{id}", Right.OPERATOR, change,
          "Change a participant; what was scanned is judged again", "participants",
          request=ParticipantPatch, example={"group": "Press"}, response=answers.ParticipantAnswer,
          statuses=(400, 404, 409, 413, 415)),
    Route("DELETE", "/api/v1/participants/{id}", Right.OPERATOR, cancel,
          "Cancel a registration; the person stays known as cancelled", "participants",
          status=204, statuses=(404,)),
)  # fmt: skip
