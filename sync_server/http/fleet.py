"""Devices as operators see them: what each last said, moved to another gate, revoked."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection, select

from shared.wire import Request, format_time
from sync_server.gates.gates import find_gate
from sync_server.http.errors import ApiError, not_found
from sync_server.http.routing import Call, Route, json_response, no_content
from sync_server.identity import devices
from sync_server.identity.rights import Right
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.stream.tail import ONLINE_MS
from sync_server.sync import journals

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class DevicePatch(Request, kw_only=True):
    """`gateId` moves the device; `state: active` accepts an adopted one."""

    gate_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | Unset = UNSET
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | Unset = UNSET
    state: Literal["active"] | Unset = UNSET


async def list_all(call: Call) -> web.StreamResponse:
    def job(conn: Connection) -> list[dict[str, Any]]:
        return [_shown(conn, row, call.received_ms) for row in _rows(conn)]

    items = await call.services.database.read(job)
    return json_response({"items": items, "cursor": None})


async def change(call: Call) -> web.StreamResponse:
    patch: DevicePatch = await call.body()
    device_id = call.part("id")
    changes = {
        name: value
        for name in patch.__struct_fields__
        if (value := getattr(patch, name)) is not UNSET
    }

    def job(conn: Connection) -> dict[str, Any]:
        held = _found(conn, device_id)
        if held["state"] == "revoked":
            raise ApiError(422, "device_revoked", "A revoked device stays so: enrol it again.")
        gate_id = changes.get("gate_id")
        if gate_id is not None and find_gate(conn, gate_id) is None:
            raise not_found("gate_not_found", f"There is no gate {gate_id!r}.")
        devices.change_device(conn, device_id, changes, call.received_ms)
        return _shown(conn, _found(conn, device_id), call.received_ms)

    return json_response(await call.services.database.write(job))


async def revoke(call: Call) -> web.StreamResponse:
    device_id = call.part("id")

    def job(conn: Connection) -> None:
        _found(conn, device_id)
        devices.change_device(conn, device_id, {"state": "revoked"}, call.received_ms)

    await call.services.database.write(job)
    return no_content()


def _rows(conn: Connection, device_id: str | None = None) -> list[Mapping[str, Any]]:
    table, said = schema.devices, schema.device_status
    statement = (
        select(table, said.c.last_seen_ms, said.c.status)
        .select_from(table.outerjoin(said, said.c.device_id == table.c.device_id))
        .where(table.c.public_key.is_not(None))  # partners' stand-ins are no devices of ours
        .order_by(table.c.gate_id, table.c.enrolled_ms)
    )
    if device_id is not None:
        statement = statement.where(table.c.device_id == device_id)
    return list(mappings(conn, statement))


def _found(conn: Connection, device_id: str) -> Mapping[str, Any]:
    rows = _rows(conn, device_id)
    if not rows:
        raise not_found("device_not_found", f"There is no device {device_id!r}.")
    return rows[0]


def _shown(conn: Connection, row: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """What the device last said by `/sync/status`, and what the server knows of its journal."""
    seen_ms, epoch = row["last_seen_ms"], row["epoch"]
    known = journals.received(conn, row["device_id"], epoch, up_to_head=True) if epoch else None
    return {
        **(row["status"] or {}),
        "deviceId": row["device_id"],
        "name": row["name"],
        "gateId": row["gate_id"],
        "state": row["state"],
        "epoch": epoch,
        "contiguousThrough": known.contiguous_through if known else 0,
        "holes": known.holes if known else [],
        "lastSeenAt": format_time(seen_ms) if seen_ms is not None else None,
        "online": seen_ms is not None and now_ms - seen_ms < ONLINE_MS,
        "enrolledAt": format_time(row["enrolled_ms"]),
    }


ROUTES = (
    Route("GET", "/api/v1/devices", Right.OPERATOR, list_all,
          "All enrolled devices with what they last said and what is missing", "devices",
          response=dict[str, Any]),
    Route("PATCH", "/api/v1/devices/{id}", Right.OPERATOR, change,
          "Move, rename or accept a device", "devices",
          request=DevicePatch, response=dict[str, Any], statuses=(400, 404, 413, 415, 422)),
    Route("DELETE", "/api/v1/devices/{id}", Right.OPERATOR, revoke,
          "Revoke a device: it gets no more lists", "devices", status=204, statuses=(404,)),
)  # fmt: skip
