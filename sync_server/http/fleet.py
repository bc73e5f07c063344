"""Devices as operators see and move them (API §2)."""

from typing import Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.limits import FIELD_CHARS_MAX, LIST_ITEMS_DEFAULT, NAME_CHARS_MAX
from shared.merge import Kind
from sync_server.attendance import merge_store, review
from sync_server.attendance.review import ScanFilter
from sync_server.gates import gates
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import Because, ItemsAtMost, Name, RowCursor
from sync_server.http.operators import give_hashes
from sync_server.http.review import checked_limit, read_cursor
from sync_server.http.routing import Call, Query, Route, json_response, no_content
from sync_server.identity import devices
from sync_server.identity.rights import Right
from sync_server.registration.walk_ins import WalkIns
from sync_server.stream import tail
from sync_server.sync.ingest import take_again

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class DevicePatch(wire.Request, kw_only=True):
    """`gateId` moves it; `state` active takes a revoked or adopted device (back) in."""

    gate_id: str | Unset = UNSET
    name: Name | Unset = UNSET
    state: Literal["active"] | Unset = UNSET


class QuarantineQuery(Query):
    cursor: RowCursor | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


class AcceptRequest(wire.Request, kw_only=True):
    reason: Because


async def list_all(call: Call) -> web.StreamResponse:
    def job(conn: Connection) -> list[dict[str, Any]]:
        return tail.all_devices(conn, call.received_ms)

    return json_response({"items": await call.services.database.read(job), "cursor": None})


async def change(call: Call) -> web.StreamResponse:
    patch: DevicePatch = await call.body()
    device_id = call.part("id")
    changes: dict[str, Any] = {}
    if not isinstance(patch.name, Unset):
        if not 0 < len(patch.name.strip()) <= NAME_CHARS_MAX:
            raise invalid("name", f"A name has 1 to {NAME_CHARS_MAX} characters.")
        changes["name"] = patch.name.strip()
    if not isinstance(patch.gate_id, Unset):
        changes["gate_id"] = patch.gate_id
    if not isinstance(patch.state, Unset):
        changes |= {"state": "active", "quarantined": False}

    def job(conn: Connection) -> dict[str, Any]:
        gate_id = changes.get("gate_id")
        if gate_id is not None and gates.find_gate(conn, gate_id) is None:
            raise invalid("gateId", f"There is no gate {gate_id!r}.", "gate_not_found")
        device = devices.change_device(conn, device_id, changes, call.received_ms)
        if device is None:
            raise _no_device(device_id)
        walk_ins = WalkIns(call.services.vault, call.services.keys)
        if gate_id is not None:
            take_again(conn, device_id, call.received_ms, walk_ins.register)
        if "quarantined" in changes:
            walk_ins.register_held(conn, device_id, call.received_ms)
            merge_store.refold_device(conn, device_id, call.received_ms)
        return next(
            item
            for item in tail.all_devices(conn, call.received_ms)
            if item["deviceId"] == device_id
        )

    answer = await call.services.database.write(job)
    await give_hashes(call.services)
    call.services.live.gate_news()
    return json_response(answer)


async def revoke(call: Call) -> web.StreamResponse:
    """Its list is wiped when it next asks; what it still uploads waits in quarantine."""
    device_id = call.part("id")

    def job(conn: Connection) -> None:
        changes = {"state": "revoked", "quarantined": True}
        if devices.change_device(conn, device_id, changes, call.received_ms) is None:
            raise _no_device(device_id)
        merge_store.refold_device(conn, device_id, call.received_ms)

    await call.services.database.write(job)
    call.services.live.gate_news()
    return no_content()


async def quarantine(call: Call) -> web.StreamResponse:
    """The scans that wait, newest arrival first."""
    query: QuarantineQuery = call.query
    device_id = call.part("id")
    asked = ScanFilter(
        device_id=device_id,
        kind=Kind.QUARANTINED.value,
        cursor=read_cursor(query.cursor),
        limit=checked_limit(query.limit),
    )

    def job(conn: Connection) -> dict[str, Any]:
        if devices.find_device(conn, device_id) is None:
            raise _no_device(device_id)
        waiting = tail.quarantined_scans(conn).get(device_id, 0)
        return {"waiting": waiting, **review.list_attendance(conn, asked)}

    return json_response(await call.services.database.read(job))


async def accept(call: Call) -> web.StreamResponse:
    """They count from now on; void single ones by a resolution. A device that is still revoked
    stays so, and what it sends later waits again.
    """
    request: AcceptRequest = await call.body()
    device_id, reason = call.part("id"), request.reason.strip()
    if not 0 < len(reason) <= FIELD_CHARS_MAX:
        raise invalid("reason", f"Say why, in 1 to {FIELD_CHARS_MAX} characters.")

    def job(conn: Connection) -> int:
        if devices.find_device(conn, device_id) is None:
            raise _no_device(device_id)
        before = tail.quarantined_scans(conn).get(device_id, 0)
        if not before or not devices.accept_quarantine(
            conn, device_id, call.person.caller_id, reason
        ):
            raise ApiError(422, "nothing_waits", "Nothing of this device waits.")
        walk_ins = WalkIns(call.services.vault, call.services.keys)
        walk_ins.register_held(conn, device_id, call.received_ms)
        merge_store.refold_device(conn, device_id, call.received_ms)
        return before - tail.quarantined_scans(conn).get(device_id, 0)

    accepted = await call.services.database.write(job)
    call.services.live.gate_news()
    return json_response({"accepted": accepted})


def _no_device(device_id: str) -> Exception:
    return not_found("device_not_found", f"There is no device {device_id!r}.")


ROUTES = (
    Route("GET", "/api/v1/devices/{id}/quarantine", Right.OPERATOR, quarantine,
          "What a revoked device sent since: scans that wait for an operator", "gates",
          query=QuarantineQuery, response=answers.Quarantine, statuses=(400, 404)),
    Route("POST", "/api/v1/devices/{id}/quarantine/accept", Right.OPERATOR, accept,
          "Let what waits of a device count, as a dated change", "gates",
          request=AcceptRequest, example={"reason": "Found, and looked through"}, response=answers.Accepted,
          statuses=(400, 404, 413, 415, 422)),
    Route("GET", "/api/v1/devices", Right.OPERATOR, list_all,
          "All devices, with what each last said of itself", "gates", response=answers.Page[answers.DeviceAnswer]),
    Route("PATCH", "/api/v1/devices/{id}", Right.OPERATOR, change,
          "Move a device to another gate, name it, or accept it", "gates",
          request=DevicePatch, example={"name": "Left door"}, response=answers.DeviceAnswer, statuses=(400, 404, 413, 415)),
    Route("DELETE", "/api/v1/devices/{id}", Right.OPERATOR, revoke,
          "Revoke a device", "gates", status=204, statuses=(404,)),
)  # fmt: skip
