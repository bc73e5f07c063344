"""Beacons: gates fetch rotating ids, operators pair badges and import lists of them."""

import asyncio
import contextlib
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import limits, wire
from shared.errors import UsageError, WireError
from shared.wire_beacons import BadgeAnswerLine, BadgePageLine, BeaconHeard
from sync_server.gates import gates, pairing
from sync_server.http import answers
from sync_server.http.credentials import checked_beacon, stored_beacon
from sync_server.http.devices import ndjson_response, refuse_revoked
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import ChangesCursor, Time
from sync_server.http.routing import NDJSON, Call, Query, Route, json_response, no_content
from sync_server.http.upload import receive_file, spooled
from sync_server.identity.rights import Right
from sync_server.registration.beacon_import import import_beacons
from sync_server.registration.beacons import Beacon, BeaconBody
from sync_server.registration.participants import find_participant
from sync_server.sync.badge_table import BadgePage, Span

_FORM_BYTES = 1024 * 1024  # a larger upload waits on disk


BadgesAtMost = Annotated[
    int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": limits.BADGES_PER_PAGE_MAX})
]


class BadgesQuery(Query):
    """`cursor`: badges changed since. `from` and `until` are times, widened to whole hours."""

    until: Time
    from_: Time | None = msgspec.field(default=None, name="from")
    cursor: ChangesCursor | None = None
    limit: BadgesAtMost = limits.BADGES_PER_PAGE_DEFAULT


class PairingRequest(wire.Request, kw_only=True):
    participant_id: str


class ConfirmRequest(wire.Request, kw_only=True):
    """`beacon`: the canonical id that was shown, so that no other is confirmed unseen. A rotating
    badge needs its identityKey and rotationExponent; its clock is found from the id it shows.
    """

    beacon: str
    identity_key: str | None = None
    rotation_exponent: int | None = None


async def badges(call: Call) -> web.StreamResponse:
    refuse_revoked(call)
    query: BadgesQuery = call.query
    if not 1 <= query.limit <= limits.BADGES_PER_PAGE_MAX:
        raise invalid("limit", f"limit must be 1 to {limits.BADGES_PER_PAGE_MAX}.")
    services = call.services
    try:
        from_ms = wire.parse_time(query.from_) if query.from_ else call.received_ms
        until_ms = wire.parse_time(query.until)
        if query.cursor is not None:
            wire.parse_cursor(query.cursor)
    except (ValueError, OverflowError) as error:
        raise invalid(None, str(error)) from error
    furthest_ms = call.received_ms + services.beacon_horizon_ms
    span = Span.around(from_ms, min(until_ms, furthest_ms))
    if span.until_ms - span.from_ms > limits.BEACON_HORIZON_HOURS_MAX * 3_600_000 * 2:
        raise invalid("from", "That is more hours than there are ids for.")

    def job(conn: Connection) -> tuple[BadgePage, BadgePageLine]:
        page = services.badges.page(conn, query.cursor, query.limit)
        return page, BadgePageLine(
            cursor=page.cursor,
            more=page.more,
            until=wire.format_time(span.until_ms),
            pairing=pairing.call_for(conn, call.person.caller_id, call.received_ms),
        )

    page, last = await services.database.read(job)
    lines = await asyncio.to_thread(services.badges.lines, page, span)
    return await ndjson_response(call, lines, last)


async def heard(call: Call) -> web.StreamResponse:
    refuse_revoked(call)
    report: BeaconHeard = await call.body()
    try:
        known = await call.services.database.write(
            lambda conn: pairing.heard(conn, call.person.caller_id, report, call.received_ms)
        )
    except WireError as error:
        raise invalid("beacon", str(error)) from error
    if not known:
        raise _no_pairing(report.pairing_id)
    return no_content()


async def start(call: Call) -> web.StreamResponse:
    request: PairingRequest = await call.body()
    gate_id, participant_id = call.part("id"), request.participant_id

    def job(conn: Connection) -> dict[str, Any]:
        if gates.find_gate(conn, gate_id) is None:
            raise not_found("gate_not_found", f"There is no gate {gate_id!r}.")
        if find_participant(conn, participant_id) is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        row = pairing.start(conn, gate_id, participant_id, call.received_ms)
        return pairing.pairing_json(row)

    return json_response(await call.services.database.write(job), 201)


async def look(call: Call) -> web.StreamResponse:
    row = await call.services.database.read(
        lambda conn: pairing.find(conn, call.part("id"), call.received_ms)
    )
    if row is None:
        raise _no_pairing(call.part("id"))
    return json_response(pairing.pairing_json(row))


async def confirm(call: Call) -> web.StreamResponse:
    request: ConfirmRequest = await call.body()
    pairing_id, services = call.part("id"), call.services
    row = await services.database.read(
        lambda conn: pairing.find(conn, pairing_id, call.received_ms)
    )
    if row is None:
        raise _no_pairing(pairing_id)
    if row["beacon"] is None:
        raise ApiError(422, "nothing_heard", "The gate has heard no unknown badge yet.")
    if request.beacon != row["beacon"]:
        raise ApiError(
            409, "another_badge", f"The gate hears {row['beacon']} now: look again.", field="beacon"
        )
    beacon = await _paired(call, request, row["heard_ms"])

    def job(conn: Connection) -> dict[str, Any]:
        made = stored_beacon(conn, call, row["participant_id"], beacon)
        pairing.end(conn, pairing_id)
        return made

    return json_response(await services.database.write(job), 201)


async def _paired(call: Call, request: ConfirmRequest, heard_ms: int) -> Beacon:
    kind, _, eid = request.beacon.partition(":")
    if kind != "eddystone-eid":
        if request.identity_key is not None or request.rotation_exponent is not None:
            raise invalid("identityKey", "This badge does not rotate: it has no identity key.")
        return Beacon(request.beacon, request.beacon)
    body = BeaconBody(
        type="eddystone-eid",
        identity_key=request.identity_key,
        rotation_exponent=request.rotation_exponent,
        eid=eid,
        clock_at=wire.format_time(heard_ms),
    )
    return await checked_beacon(call, body)


async def cancel(call: Call) -> web.StreamResponse:
    if not await call.services.database.write(lambda conn: pairing.end(conn, call.part("id"))):
        raise _no_pairing(call.part("id"))
    return no_content()


async def import_list(call: Call) -> web.StreamResponse:
    services = call.services
    with contextlib.closing(spooled()) as file:
        upload = await receive_file(call.request, file)
        try:
            result = await asyncio.to_thread(
                import_beacons,
                upload.stream,
                upload.source,
                services.database,
                services.vault,
                services.keys,
                services.now_ms,
            )
        except UsageError as error:
            raise invalid(None, str(error), "unreadable_file") from error
    return json_response(result)


def _no_pairing(pairing_id: str) -> ApiError:
    return not_found("pairing_not_found", f"No pairing {pairing_id!r} is open here.")


ROUTES = (
    Route("GET", "/api/v1/sync/beacons", Right.DEVICE, badges,
          "Digests of rotating badges' coming ids, one JSON object a line, the page line last",
          "sync", query=BadgesQuery, response=BadgeAnswerLine, response_type=NDJSON,
          statuses=(400,)),
    Route("POST", "/api/v1/sync/pairing", Right.DEVICE, heard,
          "The strongest unknown badge at this gate, while a pairing is open", "sync",
          request=BeaconHeard, status=204, statuses=(400, 404, 413, 415)),
    Route("POST", "/api/v1/gates/{id}/pairings", Right.OPERATOR, start,
          "Pair the badge that is held to this gate with a participant: listen for two minutes",
          "beacons", request=PairingRequest, example={"participantId": "P001"}, response=answers.PairingAnswer, status=201,
          statuses=(400, 404, 413, 415)),
    Route("GET", "/api/v1/pairings/{id}", Right.OPERATOR, look,
          "The nearest unknown badge that the gate hears", "beacons",
          response=answers.PairingAnswer, statuses=(404,)),
    Route("POST", "/api/v1/pairings/{id}/confirm", Right.OPERATOR, confirm,
          "Give the participant this badge", "beacons", request=ConfirmRequest,
          response=answers.CredentialAnswer, status=201, statuses=(400, 404, 409, 413, 415, 422)),
    Route("DELETE", "/api/v1/pairings/{id}", Right.OPERATOR, cancel,
          "Stop pairing", "beacons", status=204, statuses=(404,)),
    Route("POST", "/api/v1/beacons/import", Right.OPERATOR, import_list,
          "Give participants the beacons of a CSV; good rows are kept when others are refused",
          "beacons", request=bytes, request_type="text/csv", response=answers.ImportAnswer,
          example="participantId,type,id\nP001,altbeacon," + "0a" * 20 + "\n",
          statuses=(400, 413, 415)),
)  # fmt: skip
