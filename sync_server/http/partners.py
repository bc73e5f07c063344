"""Partner systems: attendance recorded one by one or in batches, tickets verified (API §3.3)."""

from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection, select

from shared.limits import BATCH_RECORDS_MAX, BATCH_RECORDS_PER_COMMIT
from sync_server.attendance import partner
from sync_server.attendance.partner_messages import (
    Answer,
    Caller,
    RecordRequest,
    VerifyRequest,
    batch_result,
    in_order_of_time,
)
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid
from sync_server.http.routing import JSON, Call, Route, json_response
from sync_server.identity.keys import from_base64url
from sync_server.identity.rights import Right
from sync_server.storage import schema


async def record(call: Call) -> web.StreamResponse:
    raw = await _raw(call)

    def job(conn: Connection) -> Answer:
        return partner.record(conn, _caller(conn, call), raw)

    return _answered(await call.services.database.write(job))


async def batch(call: Call) -> web.StreamResponse:
    items = await _raw(call)
    if not isinstance(items, list):
        raise invalid(None, "The body must be a list of attendance records.")
    if len(items) > BATCH_RECORDS_MAX:
        raise ApiError(413, "too_large", f"At most {BATCH_RECORDS_MAX} records a batch.")
    order = in_order_of_time(items, call.received_ms)
    answers: list[Answer | None] = [None] * len(items)
    for start in range(0, len(items), BATCH_RECORDS_PER_COMMIT):
        places = order[start : start + BATCH_RECORDS_PER_COMMIT]
        piece = [items[place] for place in places]

        def job(conn: Connection, piece: list[Any] = piece) -> list[Answer]:
            return partner.batch(conn, _caller(conn, call), piece)

        # Short transactions: a gate's upload never waits for a whole batch.
        made = await call.services.database.write(job)
        for place, answer in zip(places, made, strict=True):
            answers[place] = answer
    return json_response(batch_result(items, [answer for answer in answers if answer is not None]))


async def verify(call: Call) -> web.StreamResponse:
    request: VerifyRequest = await call.body()

    def job(conn: Connection) -> Answer:
        return partner.verify_ticket(conn, _caller(conn, call), request)

    return _answered(await call.services.database.read(job))


async def _raw(call: Call) -> Any:
    body = await call.raw_body(JSON)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise invalid(None, f"The body is not JSON: {error}", "malformed_json") from error


def _caller(conn: Connection, call: Call) -> Caller:
    keys = conn.execute(select(schema.events.c.ticket_keys)).scalar_one()
    return Caller(
        key_name=call.person.name,
        now_ms=call.received_ms,
        digest_key=call.services.keys.digest,
        ticket_keys={name: from_base64url(key) for name, key in keys.items()},
    )


def _answered(answer: Answer) -> web.Response:
    if answer.ok:
        return json_response(answer.body, answer.status)
    error = dict(answer.body["error"])
    raise ApiError(
        answer.status,
        error.pop("code"),
        error.pop("message"),
        field=error.pop("field", None),
        **error,
    )


_RECORD = {"participantId": "P001", "gateId": "main-entrance", "method": "qr_scan"}

ROUTES = (
    Route("POST", "/api/v1/attendance/record", Right.SERVICE, record,
          "Record one attendance by the event's rules, as of its timestamp", "attendance",
          request=RecordRequest, example=_RECORD, response=answers.RecordAnswer, status=201,
          statuses=(400, 404, 409, 413, 415)),
    Route("POST", "/api/v1/attendance/batch", Right.SERVICE, batch,
          "Record up to 1,000 attendances; one bad item never fails another", "attendance",
          request=list[RecordRequest], example=[_RECORD | {"participantId": "P002"}], response=answers.BatchAnswer, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/tickets/verify", Right.SERVICE, verify,
          "Whose ticket this is and whether it would be admitted now; records nothing",
          "attendance", request=VerifyRequest, example={"token": "TCF24-ABCD-1234-EFGH-JKMN7"}, response=answers.VerifyAnswer,
          statuses=(400, 413, 415)),
)  # fmt: skip
