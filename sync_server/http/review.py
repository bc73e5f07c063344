"""Merged scans read back, conflicts listed, resolutions given."""

import secrets
from typing import Any, Literal

from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.limits import FIELD_CHARS_MAX, LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from sync_server.attendance import review
from sync_server.attendance.review import NewResolution, ScanFilter
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import Because, ItemsAtMost, RowCursor, Time
from sync_server.http.routing import Call, Query, Route, json_response
from sync_server.identity.rights import Right

VerdictName = Literal["confirmed", "duplicate", "conflict", "refused", "voided"]


class AttendanceQuery(Query):
    """`since` is by the scan's own time; items come newest arrival first."""

    participant_id: str | None = None
    gate_id: str | None = None
    verdict: VerdictName | None = None
    since: Time | None = None
    cursor: RowCursor | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


class ConflictsQuery(Query):
    """`open=true` leaves out those that a supervisor has decided."""

    open: bool = False
    cursor: RowCursor | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


class ResolutionRequest(wire.Request, kw_only=True):
    action: Literal["accept", "void"]
    reason: Because


async def attendance(call: Call) -> web.StreamResponse:
    query: AttendanceQuery = call.query
    asked = ScanFilter(
        participant_id=query.participant_id,
        gate_id=query.gate_id,
        verdict=query.verdict,
        since_ms=_since_ms(query.since),
        cursor=read_cursor(query.cursor),
        limit=checked_limit(query.limit),
    )
    found = await call.services.database.read(lambda conn: review.list_attendance(conn, asked))
    return json_response(found)


async def conflicts(call: Call) -> web.StreamResponse:
    query: ConflictsQuery = call.query
    asked = ScanFilter(cursor=read_cursor(query.cursor), limit=checked_limit(query.limit))
    found = await call.services.database.read(
        lambda conn: review.list_conflicts(conn, asked, open_only=query.open)
    )
    return json_response(found)


async def resolve(call: Call) -> web.StreamResponse:
    request: ResolutionRequest = await call.body()
    if not 0 < len(request.reason.strip()) <= FIELD_CHARS_MAX:
        raise invalid("reason", f"Say why, in 1 to {FIELD_CHARS_MAX} characters.")
    word = NewResolution(
        resolution_id=f"server:{secrets.token_hex(16)}",
        scan_id=call.part("id"),
        action=request.action,
        operator_id=call.person.caller_id,
        text=request.reason.strip(),
        at_ms=call.received_ms,
    )

    def job(conn: Connection) -> dict[str, Any]:
        outcome = review.resolve(conn, word)
        item = review.get_scan(conn, word.scan_id)
        if outcome == "scan_not_found" or item is None:
            raise not_found("scan_not_found", f"There is no scan {word.scan_id!r}.")
        if outcome == "scan_not_admitted":
            raise ApiError(422, outcome, "Only a scan that admitted someone can be resolved.")
        return item

    return json_response(await call.services.database.write(job))


def _since_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return wire.parse_time(text)
    except (ValueError, OverflowError) as error:
        raise invalid("since", "since must be RFC 3339, as 2026-11-21T09:30:00.000Z") from error


def read_cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise invalid("cursor", "This cursor did not come from here: ask again without one.")
    return int(text)


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= LIST_ITEMS_MAX:
        raise invalid("limit", f"limit must be 1 to {LIST_ITEMS_MAX}.")
    return limit


_WORD = {"action": "accept", "reason": "Lent the badge to nobody: both scans are hers"}

ROUTES = (
    Route("GET", "/api/v1/attendance", Right.VIEWER, attendance,
          "Merged scans, newest arrival first", "attendance",
          query=AttendanceQuery, response=answers.Page[answers.ScanItem], statuses=(400,)),
    Route("GET", "/api/v1/conflicts", Right.SUPERVISOR, conflicts,
          "Conflicts, with the scan they stand against and the word said on them", "attendance",
          query=ConflictsQuery, response=answers.Page[answers.ConflictItem], statuses=(400,)),
    Route("POST", "/api/v1/scans/{id}/resolution", Right.SUPERVISOR, resolve,
          "A supervisor's word on an admitted scan", "attendance",
          request=ResolutionRequest, example=_WORD, response=answers.ConflictItem,
          statuses=(400, 404, 413, 415, 422)),
)  # fmt: skip
