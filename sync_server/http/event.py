"""The event: read, changed live, moved through its life (API §2)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.errors import UsageError
from shared.model import EventStatus, SignedTickets
from sync_server.http import answers, answers_insight
from sync_server.http.errors import ApiError, invalid
from sync_server.http.forms import Time
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right
from sync_server.insight import lifecycle
from sync_server.registration import event_file, event_store
from sync_server.storage.history import event_of

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class SettingsPatch(wire.Request, kw_only=True):
    """Members left out stay as they are."""

    allow_multiple_checkins: bool | Unset = UNSET
    allow_reentry_after_exit: bool | Unset = UNSET
    offline_mode: bool | Unset = UNSET
    duplicate_window_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | Unset = UNSET
    admission_margin_seconds: Annotated[int, msgspec.Meta(ge=0, le=604_800)] | Unset = UNSET
    signed_tickets: SignedTickets | Unset = UNSET
    default_region: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] | Unset = UNSET


class EventPatch(wire.Request, kw_only=True):
    """Id and tag never change: tickets that are out carry the tag."""

    event_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | Unset = UNSET
    start_date: Time | Unset = UNSET
    end_date: Time | Unset = UNSET
    time_zone: str | Unset = UNSET
    venue: Annotated[str, msgspec.Meta(max_length=500)] | Unset = UNSET
    settings: SettingsPatch | Unset = UNSET


class StatusChange(wire.Request, kw_only=True):
    status: EventStatus


async def read(call: Call) -> web.StreamResponse:
    row = await call.services.database.read(event_store.event_row)
    return json_response(_shown(row, call.received_ms))


async def change(call: Call) -> web.StreamResponse:
    patch: EventPatch = await call.body()

    def job(conn: Connection) -> Mapping[str, Any]:
        held = event_store.event_row(conn)
        if held is None:
            raise UsageError("this data folder has no event yet")
        return event_store.change_event(conn, _changed(patch, held), call.received_ms)

    return json_response(_shown(await call.services.database.write(job), call.received_ms))


async def change_status(call: Call) -> web.StreamResponse:
    request: StatusChange = await call.body()

    def job(conn: Connection) -> Mapping[str, Any]:
        held = event_store.event_row(conn)
        archived = held is not None and held["status"] == EventStatus.ARCHIVED.value
        if archived and request.status is not EventStatus.ARCHIVED:
            raise ApiError(422, "event_archived", "An archived event stays so.", field="status")
        return event_store.change_event(conn, {"status": request.status.value}, call.received_ms)

    return json_response(_shown(await call.services.database.write(job), call.received_ms))


async def transitions(call: Call) -> web.StreamResponse:
    def job(conn: Connection) -> dict[str, Any]:
        known = lifecycle.numbers(conn, call.received_ms)
        return lifecycle.transitions(event_store.load_event(conn), known, call.received_ms)

    return json_response(await call.services.database.read(job))


async def preview(call: Call) -> web.StreamResponse:
    patch: EventPatch = await call.body()

    def job(conn: Connection) -> dict[str, Any]:
        held = event_store.event_row(conn)
        if held is None:
            raise UsageError("this data folder has no event yet")
        before, after = event_of(held), event_of(_changed(patch, held))
        known = lifecycle.numbers(conn, call.received_ms)
        effects = lifecycle.preview(before, after, known, call.received_ms)
        return {"effects": effects, "numbers": known.as_json()}

    return json_response(await call.services.database.read(job))


def _changed(patch: EventPatch, held: Mapping[str, Any]) -> dict[str, Any]:
    after = {**held, **_columns(patch, held)}
    if after["end_ms"] <= after["start_ms"]:
        raise invalid("endDate", "The event must end after it starts.")
    return after


def _columns(patch: EventPatch, held: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if not isinstance(patch.event_name, Unset):
        changes["name"] = patch.event_name
    if not isinstance(patch.venue, Unset):
        changes["venue"] = patch.venue
    try:
        if not isinstance(patch.start_date, Unset):
            changes["start_ms"] = event_file.check_time(patch.start_date, "startDate")
        if not isinstance(patch.end_date, Unset):
            changes["end_ms"] = event_file.check_time(patch.end_date, "endDate")
        if not isinstance(patch.time_zone, Unset):
            changes["time_zone"] = event_file.check_zone(patch.time_zone)
    except (ValueError, UsageError) as error:
        raise invalid(None, str(error)) from error
    if not isinstance(patch.settings, Unset):
        changes["settings"] = {**held["settings"], **msgspec.to_builtins(patch.settings)}
    return changes


def _shown(row: Mapping[str, Any] | None, now_ms: int) -> dict[str, Any]:
    if row is None:
        raise UsageError("this data folder has no event yet")
    event = event_of(row)
    return {
        "eventId": event.event_id,
        "tag": event.tag,
        "eventName": event.name,
        "startDate": wire.format_time(event.start_ms),
        "endDate": wire.format_time(event.end_ms),
        "timeZone": event.time_zone,
        "venue": event.venue,
        "status": event.status_at(now_ms).value,
        "storedStatus": event.status.value,
        "settings": event_file.settings_json(event.settings),
    }


ROUTES = (
    Route("GET", "/api/v1/event", Right.VIEWER, read,
          "The event; `status` as of now, `storedStatus` as set by hand", "event",
          response=answers.EventAnswer),
    Route("PATCH", "/api/v1/event", Right.OPERATOR, change,
          "Change the event; gates hear at once, those already scanned are judged again", "event",
          request=EventPatch, example={"venue": "Hall 2"}, response=answers.EventAnswer, statuses=(400, 413, 415)),
    Route("GET", "/api/v1/event/transitions", Right.VIEWER, transitions,
          "Each status that the event may take, and what taking it does now", "event",
          response=answers_insight.TransitionsAnswer),
    Route("POST", "/api/v1/event/preview", Right.OPERATOR, preview,
          "What a change of the event would do; nothing is changed", "event",
          request=EventPatch, example={"venue": "Hall 2"},
          response=answers_insight.PreviewAnswer, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/event/status", Right.OPERATOR, change_status,
          "Move the event through its life", "event",
          request=StatusChange, example={"status": "live"}, response=answers.EventAnswer, statuses=(400, 413, 415, 422)),
)  # fmt: skip
