"""Tickets and beacons: shown, issued anew, revoked (API §2)."""

import asyncio
from typing import Any, Literal

from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.routing import Call, Route, json_response, no_content
from sync_server.identity.rights import Right
from sync_server.mail.choosing import queue_ticket
from sync_server.mail.settings import REISSUED
from sync_server.registration.beacons import (
    BadBeaconError,
    Beacon,
    BeaconBody,
    add_beacon,
    read_beacon,
)
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import credential_json
from sync_server.registration.tickets import issue_ticket, revoke_credential


class CredentialRequest(wire.Request, kw_only=True):
    kind: Literal["ticket", "beacon"]
    beacon: BeaconBody | None = None


async def add(call: Call) -> web.StreamResponse:
    request: CredentialRequest = await call.body()
    if (request.kind == "beacon") != (request.beacon is not None):
        raise invalid("beacon", "`beacon` goes with the kind beacon, and only with it.")
    services, participant_id = call.services, call.part("id")
    beacon = None if request.beacon is None else await checked_beacon(call, request.beacon)

    def job(conn: Connection) -> dict[str, Any]:
        if beacon is not None:
            return stored_beacon(conn, call, participant_id, beacon)
        vault = services.vault
        row = issue_ticket(conn, participant_id, vault, services.keys, call.received_ms)
        if row is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        if services.mail.settings.queues(REISSUED):
            queue_ticket(conn, participant_id, call.received_ms)
        return credential_json(row, vault, load_event(conn).tag)

    answer = await services.database.write(job)
    services.mail.wake()
    return json_response(answer, 201)


def stored_beacon(
    conn: Connection, call: Call, participant_id: str, beacon: Beacon
) -> dict[str, Any]:
    """Part of a job: give it to the participant, and how it is shown."""
    vault, keys = call.services.vault, call.services.keys
    try:
        row = add_beacon(conn, participant_id, beacon, keys, vault, call.received_ms)
    except LookupError as error:
        raise ApiError(409, "beacon_taken", str(error.args[0]), field="beacon") from error
    if row is None:
        raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
    return credential_json(row, vault, load_event(conn).tag)


async def checked_beacon(call: Call, body: BeaconBody) -> Beacon:
    """Off the loop: finding a rotating badge's clock takes a second."""
    try:
        return await asyncio.to_thread(read_beacon, body, call.received_ms)
    except BadBeaconError as fault:
        raise invalid(f"beacon.{fault.field}", str(fault), "invalid_beacon") from fault


async def revoke(call: Call) -> web.StreamResponse:
    credential_id = call.part("id")
    done = await call.services.database.write(
        lambda conn: revoke_credential(conn, credential_id, call.received_ms)
    )
    if not done:
        raise not_found("credential_not_found", f"There is no credential {credential_id!r}.")
    return no_content()


ROUTES = (
    Route("POST", "/api/v1/participants/{id}/credentials", Right.OPERATOR, add,
          "A new ticket, which revokes the old one, or a beacon", "tickets",
          request=CredentialRequest, example={"kind": "ticket"}, response=answers.CredentialAnswer, status=201,
          statuses=(400, 404, 409, 413, 415)),
    Route("DELETE", "/api/v1/credentials/{id}", Right.OPERATOR, revoke,
          "Revoke a ticket or beacon for good", "tickets", status=204, statuses=(404,)),
)  # fmt: skip
