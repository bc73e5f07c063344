"""What gates call: enrolment, tokens, and the sync of DESIGN §5 (API §2, §3.4–3.6)."""

import uuid
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import limits
from shared.errors import WireError
from shared.search_wire import SearchAnswer, SearchRequest
from shared.wire import (
    AnyLine,
    EnrolAnswer,
    EnrolRequest,
    StatusAnswer,
    StatusRequest,
    UploadAnswer,
    UploadRequest,
    format_time,
)
from sync_server.http import encoding
from sync_server.http.errors import ApiError, busy, invalid, too_many
from sync_server.http.forms import ChangesCursor, PublicKey
from sync_server.http.operators import give_hashes
from sync_server.http.routing import JSON, NDJSON, Call, Query, Route, decoded, json_response
from sync_server.identity import devices
from sync_server.identity.devices import EnrolmentFault, NewDevice
from sync_server.identity.keys import check_public_key, to_base64url
from sync_server.identity.rights import Right
from sync_server.identity.tokens import (
    InvalidTokenError,
    certificate,
    certificate_content,
    read_certificate,
)
from sync_server.registration import lookup
from sync_server.registration.walk_ins import WalkIns
from sync_server.sync.changes import ChangesPage
from sync_server.sync.ingest import Ingested, ingest, take_again
from sync_server.sync.status import store_status
from sync_server.sync.upload import Upload, read_upload

Seconds = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": 3_600})]
EnrolmentCode = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100})]
DeviceName = Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": limits.NAME_CHARS_MAX})]
PageRows = Annotated[
    int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": limits.PAGE_ROWS_MAX})
]


class ChangesQuery(Query):
    """`wait` in seconds, at most 55; `limit` in rows of a page."""

    cursor: ChangesCursor | None = None
    wait: Seconds = 0
    limit: PageRows = limits.PAGE_ROWS_DEFAULT


class Enrolment(EnrolRequest, kw_only=True):
    """`code`: one that an operator made for a gate; it works once."""

    code: EnrolmentCode
    public_key: PublicKey
    name: DeviceName = ""


async def enrol(call: Call) -> web.StreamResponse:
    services, address = call.services, call.request.remote or "?"
    _slow_down(call, address)
    request: Enrolment = await call.body()
    if not 0 < len(request.code) <= 100:
        raise invalid("code", "A code has 1 to 100 characters.")
    if len(request.name) > limits.NAME_CHARS_MAX:
        raise invalid("name", f"A name has at most {limits.NAME_CHARS_MAX} characters.")
    try:
        check_public_key(request.public_key)
    except ValueError as error:
        raise invalid("publicKey", "Give the 32 bytes of an Ed25519 key as base64url.") from error
    new = NewDevice(_id_for(call, request), request.public_key, request.name.strip())

    def job(conn: Connection) -> devices.Device | EnrolmentFault:
        enrolled = devices.enrol(conn, request.code, new, call.received_ms)
        if not isinstance(enrolled, EnrolmentFault):
            register = WalkIns(services.vault, services.keys).register
            take_again(conn, enrolled.device_id, call.received_ms, register)
        return enrolled

    device = await services.database.write(job)
    if isinstance(device, EnrolmentFault):
        services.enrol_failures.failed(address, services.monotonic_s())
        raise ApiError(device.status, device.code, device.message, field="code")
    await give_hashes(services)
    content = certificate_content(
        services.keys,
        device.device_id,
        request.public_key,
        device.gate_id,
        services.event_id,
        call.received_ms,
    )
    answer = EnrolAnswer(
        device_id=device.device_id,
        gate_id=device.gate_id,
        event_id=services.event_id,
        server_key=to_base64url(services.keys.public),
        digest_key=to_base64url(services.keys.digest),
        certificate=certificate(services.keys, content),
    )
    services.live.gate_news()
    return json_response(answer, 201)


def _id_for(call: Call, request: EnrolRequest) -> str:
    """A new id, or that of an earlier enrolment of this key that our own key signed: a database
    that has forgotten the device must not count its journal under another name.
    """
    services = call.services
    if request.certificate:
        try:
            earlier = read_certificate(services.keys, request.certificate, services.event_id)
        except InvalidTokenError:
            pass  # of a server with other keys: it is a stranger's, and its id too
        else:
            if earlier.public_key == request.public_key:
                return earlier.device_id
    return str(uuid.uuid4())


def _slow_down(call: Call, address: str) -> None:
    wait_s = call.services.enrol_failures.wait_s(address, call.services.monotonic_s())
    if wait_s:
        raise too_many("Too many wrong codes from here: wait a little.", wait_s)


async def changes(call: Call) -> web.StreamResponse:
    """A page at once where there are rows; else after the next commit that has some, or the wait.

    The watch is taken before the read, so no commit in between goes unheard.
    """
    query: ChangesQuery = call.query
    if not 0 <= query.wait <= 3_600:
        raise invalid("wait", "wait is in seconds, 0 to 55.")
    if not 1 <= query.limit <= limits.PAGE_ROWS_MAX:
        raise invalid("limit", f"limit must be 1 to {limits.PAGE_ROWS_MAX}.")
    services, device_id = call.services, call.person.caller_id
    until_s = services.monotonic_s() + min(query.wait, limits.WAIT_S_MAX)
    while True:
        moved = services.heads.moved()
        try:
            page, states = await services.feed.page(device_id, query.cursor, query.limit)
        except WireError as error:
            raise invalid("cursor", str(error)) from error
        state = states.get(device_id, "revoked")
        if state == "revoked":
            raise _revoked()
        if state == "adopted":
            raise _adopted()
        left_s = until_s - services.monotonic_s()
        if page.lines or page.more or left_s <= 0 or services.heads.closing:
            return await _page(call, page)
        if not services.heads.may_wait:
            raise busy(f"{limits.LONG_POLLS_MAX} gates wait here already; ask again in a moment.")
        await services.heads.wait(moved, left_s)


async def _page(call: Call, page: ChangesPage) -> web.StreamResponse:
    last: dict[str, Any] = {
        "type": "page",
        "cursor": page.cursor,
        "more": page.more,
        "serverReceivedAt": format_time(call.received_ms),
        "serverTime": format_time(call.services.now_ms()),
    }
    if page.digest is not None:
        last["digest"] = page.digest
    return await ndjson_response(call, page.lines, last)


async def ndjson_response(call: Call, lines: list[bytes], last: Any) -> web.Response:
    """Lines, and one last that says that nothing is missing; smaller where the caller takes it."""
    body = b"\n".join([*lines, msgspec.json.encode(last), b""])
    return await encoding.answer(call.request, body, NDJSON)


async def upload(call: Call) -> web.StreamResponse:
    """A revoked device may still upload: its scans wait in quarantine (DESIGN §5)."""
    request: Upload = decoded(await call.raw_body(JSON), read_upload)
    _check_own(call, request.device_id)
    if len(request.lost) > limits.LOST_RANGES_MAX:
        raise invalid("lost", f"At most {limits.LOST_RANGES_MAX} ranges at a time.")

    def job(conn: Connection) -> Ingested:
        walk_ins = WalkIns(call.services.vault, call.services.keys)
        return ingest(conn, call.person.caller_id, request, call.received_ms, walk_ins.register)

    try:
        done = await call.services.database.write(job)
    except WireError as error:
        raise invalid(None, str(error)) from error
    answer = UploadAnswer(
        outcomes=done.outcomes,
        contiguous_through=done.contiguous_through,
        holes=done.holes,
        visible_at=done.visible_at,
        server_received_at=format_time(call.received_ms),
        server_time=format_time(call.services.now_ms()),
    )
    return await encoding.answer(call.request, msgspec.json.encode(answer), JSON)


async def status(call: Call) -> web.StreamResponse:
    refuse_revoked(call)
    request: StatusRequest = await call.body()

    def job(conn: Connection) -> int:
        return store_status(conn, call.person.caller_id, request, call.received_ms)

    try:
        through = await call.services.database.write(job)
    except WireError as error:
        raise invalid(None, str(error)) from error
    call.services.live.gate_news()
    answer = StatusAnswer(
        contiguous_through=through,
        server_received_at=format_time(call.received_ms),
        server_time=format_time(call.services.now_ms()),
    )
    return json_response(answer)


async def search(call: Call) -> web.StreamResponse:
    """A signed-in supervisor asks at a gate; a device may ask so often and no more (P12)."""
    refuse_revoked(call)
    services, device_id = call.services, call.person.caller_id
    request: SearchRequest = await call.body()
    if not lookup.QUERY_CHARS_MIN <= len(request.query.strip()) <= lookup.QUERY_CHARS_MAX:
        raise invalid(
            "query", f"Ask with {lookup.QUERY_CHARS_MIN} to {lookup.QUERY_CHARS_MAX} characters."
        )
    wait_s = services.gate_searches.wait_s(device_id, services.monotonic_s())
    if wait_s:
        raise too_many("Too many searches from this gate: wait a little.", wait_s)
    services.gate_searches.failed(device_id, services.monotonic_s())
    vault, people = services.vault, services.search
    return json_response(
        await services.database.read(lambda conn: lookup.search(conn, vault, people, request.query))
    )


def _check_own(call: Call, device_id: str) -> None:
    if device_id != call.person.caller_id:
        raise ApiError(
            403, "foreign_device", "A device sends its own journal only.", field="deviceId"
        )


def refuse_revoked(call: Call) -> None:
    if call.person.state == "revoked":
        raise _revoked()


def _revoked() -> ApiError:
    return ApiError(
        403, "device_revoked", "This device was revoked: enrol it anew, or keep it away."
    )


def _adopted() -> ApiError:
    return ApiError(
        403,
        "device_adopted",
        "This server had forgotten this device and knows it by its certificate: it may upload, "
        "and gets lists once an operator confirms it.",
    )


_STATUS = {
    "epoch": "a1b2c3d4e5f60718",
    "head": 9,
    "waiting": 0,
    "clock": {"quality": "synced", "offsetMs": 12, "errorMs": 4},
    "version": "0.1.0",
}

ROUTES = (
    Route("POST", "/api/v1/devices/enrol", Right.ANYONE, enrol,
          "Exchange a one-use code for a device's identity", "devices",
          request=Enrolment, response=EnrolAnswer, status=201,
          statuses=(400, 404, 409, 410, 413, 415)),
    Route("GET", "/api/v1/sync/changes", Right.DEVICE, changes,
          "Rows changed after the cursor, one JSON object a line, the page line last", "sync",
          query=ChangesQuery, response=AnyLine, response_type=NDJSON, statuses=(400,)),
    Route("POST", "/api/v1/sync/scans", Right.DEVICE, upload,
          "Upload journal entries, up to 500 at a time", "sync",
          request=UploadRequest, response=UploadAnswer, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/sync/search", Right.DEVICE, search,
          "Look for a participant on behalf of the supervisor at the gate", "sync",
          request=SearchRequest, example={"query": "5678"}, response=SearchAnswer, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/sync/status", Right.DEVICE, status,
          "What a device says of itself, every 10 s", "sync",
          request=StatusRequest, example=_STATUS, response=StatusAnswer, statuses=(400, 413, 415)),
)  # fmt: skip
