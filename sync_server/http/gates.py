"""Gates and their enrolment codes (API §2)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.beacon_settings import BeaconSettings
from shared.errors import UsageError
from shared.model import GateDirection
from sync_server.gates import gates
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity import devices
from sync_server.identity.drawing import qr_svg
from sync_server.identity.enrolment_codes import enrolment_url, make_code
from sync_server.identity.rights import Right
from sync_server.registration.event_file import GateBody, gate_of

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class GatePatch(wire.Request, kw_only=True):
    """Members left out stay as they are; null empties one that may be empty."""

    name: Text | Unset = UNSET
    direction: GateDirection | Unset = UNSET
    zone: Text | Unset | None = UNSET
    required_permission: Text | Unset | None = UNSET
    capacity_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | Unset = UNSET
    active: bool | Unset = UNSET
    location: dict[str, Any] | Unset | None = UNSET
    beacon: BeaconSettings | Unset | None = UNSET


async def list_all(call: Call) -> web.StreamResponse:
    rows = await call.services.database.read(gates.list_gates)
    return json_response({"items": [gates.gate_json(row) for row in rows], "cursor": None})


async def read(call: Call) -> web.StreamResponse:
    gate_id = call.part("id")
    row = await call.services.database.read(lambda conn: gates.find_gate(conn, gate_id))
    return json_response(gates.gate_json(_found(row, gate_id)))


async def create(call: Call) -> web.StreamResponse:
    body: GateBody = await call.body()
    try:
        gate = gate_of(body)
    except (ValueError, UsageError) as error:
        raise invalid("id", str(error)) from error

    def job(conn: Connection) -> Mapping[str, Any]:
        if gates.find_gate(conn, gate.gate_id) is not None:
            raise ApiError(
                409, "gate_exists", f"There is a gate {gate.gate_id!r} already.", field="id"
            )
        return gates.create_gate(conn, gate, call.received_ms)

    return json_response(gates.gate_json(await call.services.database.write(job)), 201)


async def change(call: Call) -> web.StreamResponse:
    patch: GatePatch = await call.body()
    given = {name: getattr(patch, name) for name in patch.__struct_fields__}
    changes = {name: _plain(value) for name, value in given.items() if value is not UNSET}
    gate_id = call.part("id")
    row = await call.services.database.write(
        lambda conn: gates.change_gate(conn, gate_id, changes, call.received_ms)
    )
    return json_response(gates.gate_json(_found(row, gate_id)))


async def enrolment(call: Call) -> web.StreamResponse:
    code, gate_id = make_code(), call.part("id")

    def job(conn: Connection) -> int:
        _found(gates.find_gate(conn, gate_id), gate_id)
        return devices.create_enrolment(conn, gate_id, code, call.received_ms)

    expires_ms = await call.services.database.write(job)
    url = enrolment_url(call.services.base_url, code, call.services.keys)
    made = {
        "code": code,
        "url": url,
        "svg": qr_svg(url),
        "expiresAt": wire.format_time(expires_ms),
    }
    return json_response(made, 201)


def _plain(value: Any) -> Any:
    if isinstance(value, BeaconSettings):
        return value.as_json()
    return value.value if isinstance(value, GateDirection) else value


def _found(row: Mapping[str, Any] | None, gate_id: str) -> Mapping[str, Any]:
    if row is None:
        raise not_found("gate_not_found", f"There is no gate {gate_id!r}.")
    return row


ROUTES = (
    Route("GET", "/api/v1/gates", Right.OPERATOR, list_all, "All gates", "gates",
          response=answers.Page[answers.GateAnswer]),
    Route("POST", "/api/v1/gates", Right.OPERATOR, create, "Add a gate", "gates",
          request=GateBody, example={"id": "garden", "name": "Garden door"}, response=answers.GateAnswer, status=201,
          statuses=(400, 409, 413, 415)),
    Route("GET", "/api/v1/gates/{id}", Right.OPERATOR, read, "One gate", "gates",
          response=answers.GateAnswer, statuses=(404,)),
    Route("PATCH", "/api/v1/gates/{id}", Right.OPERATOR, change,
          "Change a gate; those who passed it are judged again", "gates",
          request=GatePatch, example={"capacityPerMinute": 25}, response=answers.GateAnswer, statuses=(400, 404, 413, 415)),
    Route("POST", "/api/v1/gates/{id}/enrolments", Right.OPERATOR, enrolment,
          "A one-use code that enrols a device at this gate", "gates",
          response=answers.EnrolmentAnswer, status=201, statuses=(404,)),
)  # fmt: skip
