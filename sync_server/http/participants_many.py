"""Several participants changed at once, and what happened to one (API §2, additions)."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.limits import CHANGED_AT_ONCE_MAX
from shared.model import ParticipantStatus
from sync_server.http import answers, answers_people
from sync_server.http.errors import invalid, not_found
from sync_server.http.participants import UNSET, SomePermissions, Text, Unset
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right
from sync_server.registration.chronicle import history_of
from sync_server.registration.participants import (
    Registrar,
    RegistrationRefusedError,
    find_participant,
)

Ids = Annotated[list[Text], msgspec.Meta(min_length=1, max_length=CHANGED_AT_ONCE_MAX)]


class ChangeMany(wire.Request, kw_only=True):
    """The same change to each of them; a group of null takes them out of theirs."""

    participant_ids: Ids
    group: Text | Unset | None = UNSET
    status: ParticipantStatus | Unset = UNSET
    permissions: SomePermissions | Unset = UNSET


async def change_many(call: Call) -> web.StreamResponse:
    """All in one transaction; one that can't be changed is named with its reason and stops none."""
    body: ChangeMany = await call.body()
    cells: dict[str, str | None] = {}
    if not isinstance(body.group, Unset):
        cells["group"] = (body.group or "").strip() or None
    if not isinstance(body.status, Unset):
        cells["status"] = body.status.value
    if not isinstance(body.permissions, Unset):
        cells["permissions"] = ";".join(body.permissions)
    if not cells:
        raise invalid(None, "Say what to change: group, status or permissions.")
    services = call.services
    registrar = Registrar(services.vault, services.keys, call.received_ms)

    def job(conn: Connection) -> dict[str, Any]:
        changed, unchanged, refused = 0, 0, []
        for participant_id in dict.fromkeys(body.participant_ids):
            before = find_participant(conn, participant_id)
            if before is None:
                message = f"There is no participant {participant_id!r}."
                refused.append(_refused(participant_id, "participant_not_found", message))
                continue
            try:
                after = registrar.change(conn, participant_id, cells)
            except RegistrationRefusedError as error:
                fault = error.faults[0]
                refused.append(_refused(participant_id, fault.code, fault.message))
                continue
            if after is not None and after["revision"] != before["revision"]:
                changed += 1
            else:
                unchanged += 1
        return {"changed": changed, "unchanged": unchanged, "refused": refused}

    return json_response(await services.database.write(job))


def _refused(participant_id: str, code: str, message: str) -> dict[str, str]:
    return {"id": participant_id, "code": code, "message": message}


async def history(call: Call) -> web.StreamResponse:
    """Newest first, at most 500 of each kind."""
    participant_id = call.part("id")

    def job(conn: Connection) -> dict[str, Any]:
        if find_participant(conn, participant_id) is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        return {"items": history_of(conn, participant_id), "cursor": None}

    return json_response(await call.services.database.read(job))


ROUTES = (
    Route("PATCH", "/api/v1/participants", Right.OPERATOR, change_many,
          f"Move up to {CHANGED_AT_ONCE_MAX} participants to a group, or give them a status or "
          "permissions",
          "participants", request=ChangeMany,
          example={"participantIds": ["P1", "P2"], "group": "VIP"},
          response=answers_people.ManyChanged, statuses=(400, 413, 415)),
    Route("GET", "/api/v1/participants/{id}/history", Right.OPERATOR, history,
          "What happened to a participant: scans, changes, tickets and beacons, mails",
          "participants", response=answers.Page[answers_people.HistoryItem], statuses=(404,)),
)  # fmt: skip
