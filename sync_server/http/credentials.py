"""Tickets and beacons: shown, issued anew, revoked (API §2)."""

import re
from typing import Any, Literal

from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.routing import Call, Route, json_response, no_content
from sync_server.identity.rights import Right
from sync_server.registration import printing
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import credential_json, find_participant
from sync_server.registration.tickets import (
    Ticket,
    add_beacon,
    issue_ticket,
    revoke_credential,
    tickets_of,
)

# How the canonical ids of API §3.4 are made from a beacon's members, and what these look like.
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_NUMBER_MAX = 0xFFFF


class BeaconBody(wire.Request, kw_only=True):
    """`ibeacon`: uuid, major, minor; `altbeacon`: id (40 hex); `eddystone-uid`: namespace (20
    hex) and instance (12 hex).
    """

    type: Literal["ibeacon", "altbeacon", "eddystone-uid"]
    uuid: str | None = None
    major: int | None = None
    minor: int | None = None
    id: str | None = None
    namespace: str | None = None
    instance: str | None = None


class CredentialRequest(wire.Request, kw_only=True):
    kind: Literal["ticket", "beacon"]
    beacon: BeaconBody | None = None


async def ticket_png(call: Call) -> web.StreamResponse:
    return web.Response(body=printing.png(await _ticket(call)), content_type="image/png")


async def ticket_svg(call: Call) -> web.StreamResponse:
    return web.Response(body=printing.svg(await _ticket(call)), content_type="image/svg+xml")


async def ticket_pdf(call: Call) -> web.StreamResponse:
    ticket = await _ticket(call)
    body = printing.pdf([ticket], printing.font_for([ticket]))
    return web.Response(body=body, content_type="application/pdf")


async def add(call: Call) -> web.StreamResponse:
    request: CredentialRequest = await call.body()
    if (request.kind == "beacon") != (request.beacon is not None):
        raise invalid("beacon", "`beacon` goes with the kind beacon, and only with it.")
    services, participant_id = call.services, call.part("id")
    canonical = canonical_id(request.beacon) if request.beacon is not None else None

    def job(conn: Connection) -> dict[str, Any]:
        vault, keys = services.vault, services.keys
        if canonical is None:
            row = issue_ticket(conn, participant_id, vault, keys, call.received_ms)
        else:
            try:
                row = add_beacon(conn, participant_id, canonical, keys, vault, call.received_ms)
            except LookupError as error:
                raise ApiError(409, "beacon_taken", str(error.args[0]), field="beacon") from error
        if row is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        return credential_json(row, vault, load_event(conn).tag)

    return json_response(await services.database.write(job), 201)


async def revoke(call: Call) -> web.StreamResponse:
    credential_id = call.part("id")
    done = await call.services.database.write(
        lambda conn: revoke_credential(conn, credential_id, call.received_ms)
    )
    if not done:
        raise not_found("credential_not_found", f"There is no credential {credential_id!r}.")
    return no_content()


def canonical_id(beacon: BeaconBody) -> str:
    """`ibeacon:uuid:major:minor`, `altbeacon:id`, `eddystone-uid:namespace+instance`."""
    if beacon.type == "ibeacon":
        uuid = _hex(beacon.uuid, _UUID, "uuid", "a UUID")
        numbers = (("major", beacon.major), ("minor", beacon.minor))
        for name, number in numbers:
            if number is None or not 0 <= number <= _NUMBER_MAX:
                raise invalid(f"beacon.{name}", f"{name} must be 0 to {_NUMBER_MAX}.")
        return f"ibeacon:{uuid.replace('-', '')}:{beacon.major:04x}:{beacon.minor:04x}"
    if beacon.type == "altbeacon":
        return "altbeacon:" + _hex(beacon.id, r"[0-9a-f]{40}", "id", "40 hex digits")
    namespace = _hex(beacon.namespace, r"[0-9a-f]{20}", "namespace", "20 hex digits")
    instance = _hex(beacon.instance, r"[0-9a-f]{12}", "instance", "12 hex digits")
    return f"eddystone-uid:{namespace}{instance}"


def _hex(text: str | None, pattern: str, name: str, form: str) -> str:
    plain = (text or "").strip().lower()
    if not re.fullmatch(pattern, plain):
        raise invalid(f"beacon.{name}", f"{name} must be {form}.")
    return plain


async def _ticket(call: Call) -> Ticket:
    participant_id, vault = call.part("id"), call.services.vault

    def job(conn: Connection) -> list[Ticket]:
        if find_participant(conn, participant_id) is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        return tickets_of(conn, vault, participant_id)

    held = await call.services.database.read(job)
    if not held:
        raise not_found("no_active_ticket", "This participant has no ticket that admits.")
    return held[0]


ROUTES = (
    *(
        Route("GET", f"/api/v1/participants/{{id}}/ticket.{kind}", Right.OPERATOR, handler,
              f"The participant's active ticket as {kind.upper()}", "tickets",
              response=bytes, response_type=content_type, statuses=(404,))
        for kind, handler, content_type in (
            ("png", ticket_png, "image/png"),
            ("svg", ticket_svg, "image/svg+xml"),
            ("pdf", ticket_pdf, "application/pdf"),
        )
    ),
    Route("POST", "/api/v1/participants/{id}/credentials", Right.OPERATOR, add,
          "A new ticket, which revokes the old one, or a beacon", "tickets",
          request=CredentialRequest, response=dict[str, Any], status=201,
          statuses=(400, 404, 409, 413, 415)),
    Route("DELETE", "/api/v1/credentials/{id}", Right.OPERATOR, revoke,
          "Revoke a ticket or beacon for good", "tickets", status=204, statuses=(404,)),
)  # fmt: skip
