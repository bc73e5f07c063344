"""Supervisors and the rest of the team: who they are, and their PINs for the gates (API §2)."""

import asyncio
from typing import Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.errors import UsageError
from sync_server.http import answers
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import Password, PersonName, Pin
from sync_server.http.routing import Call, Route, json_response, no_content
from sync_server.http.services import Services
from sync_server.identity import people, pins
from sync_server.identity.drawing import qr_svg
from sync_server.identity.rights import Right, Role

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
_UPPER = frozenset({Role.OWNER, Role.OPERATOR})  # whom only an owner makes or changes


class NewOperator(wire.Request, kw_only=True):
    """Without a password the person works at gates only."""

    name: PersonName
    role: Literal["owner", "operator", "supervisor", "viewer"]
    password: Password | None = None


class OperatorPatch(wire.Request, kw_only=True):
    """Members left out stay as they are; a password of null leaves work at gates only."""

    active: bool | Unset = UNSET
    role: Literal["owner", "operator", "supervisor", "viewer"] | Unset = UNSET
    password: Password | Unset | None = UNSET


class NewPin(wire.Request, kw_only=True):
    """At least six digits."""

    pin: Pin


async def list_all(call: Call) -> web.StreamResponse:
    found = await call.services.database.read(people.list_people)
    return json_response({"items": found, "cursor": None})


async def create(call: Call) -> web.StreamResponse:
    body: NewOperator = await call.body()
    role = Role(body.role)
    _check_may(call, role)
    password_hash = None if body.password is None else await _hashed(body.password)

    def job(conn: Connection) -> dict[str, Any] | None:
        operator_id = people.create_person(conn, body.name, role, password_hash)
        return people.find_person(conn, operator_id)

    try:
        return json_response(await call.services.database.write(job), 201)
    except UsageError as error:
        raise invalid("name", str(error)) from error
    except LookupError as error:
        raise ApiError(409, "name_taken", str(error), field="name") from error


async def change(call: Call) -> web.StreamResponse:
    """A new password, or being let out, ends their sessions. The last owner who can sign in stays
    one: 409.
    """
    body: OperatorPatch = await call.body()
    who = call.part("id")
    changes: dict[str, Any] = {}
    if not isinstance(body.active, Unset):
        changes["active"] = body.active
    if not isinstance(body.role, Unset):
        _check_may(call, Role(body.role))
        changes["role"] = body.role
    if not isinstance(body.password, Unset):
        said = body.password
        changes["password_hash"] = None if said is None else await _hashed(said)

    def job(conn: Connection) -> dict[str, Any] | None:
        person = _found(conn, who)
        _check_may(call, Role(person["role"]))
        people.change_person(conn, person["operatorId"], changes)
        if not changes.get("active", True) or changes.get("role") == Role.VIEWER.value:
            pins.remove_pin(conn, person["operatorId"])
        return people.find_person(conn, person["operatorId"])

    try:
        return json_response(await call.services.database.write(job))
    except people.LastOwnerError as error:
        raise ApiError(
            409, "last_owner", "This is the last owner who can sign in: make another first."
        ) from error


async def _hashed(password: str) -> str:
    try:
        return await asyncio.to_thread(people.hash_password, password)
    except UsageError as error:
        raise invalid("password", str(error)) from error


async def set_pin(call: Call) -> web.StreamResponse:
    """Kept sealed; every gate gets an argon2 hash of its own before this answers."""
    body: NewPin = await call.body()
    who, services = call.part("id"), call.services
    try:
        pin = pins.check_pin(body.pin)
    except UsageError as error:
        raise invalid("pin", str(error)) from error

    def job(conn: Connection) -> None:
        operator_id = _found(conn, who)["operatorId"]
        sealed = pins.seal_pin(pin, operator_id, services.keys.master)
        pins.set_pin(conn, operator_id, sealed, call.received_ms)

    try:
        await services.database.write(job)
    except pins.NotAtGatesError as error:
        raise ApiError(422, "not_a_supervisor", str(error)) from error
    await give_hashes(services)
    return no_content()


async def remove_pin(call: Call) -> web.StreamResponse:
    who = call.part("id")
    await call.services.database.write(
        lambda conn: pins.remove_pin(conn, _found(conn, who)["operatorId"])
    )
    return no_content()


async def badge(call: Call) -> web.StreamResponse:
    """A supervisor's badge as QR: it names them at a kiosk, which then asks for the PIN."""
    who = call.part("id")
    person = await call.services.database.read(lambda conn: _found(conn, who))
    drawing = qr_svg(f"GS:STAFF:{person['operatorId'].upper()}")
    return web.Response(body=drawing.encode(), content_type="image/svg+xml")


async def give_hashes(services: Services) -> None:
    """Make what is missing: after a PIN was set, and for a device that is new or back."""
    wanted = await services.database.read(pins.missing)
    if wanted:
        master = services.keys.master
        hashed = await asyncio.to_thread(pins.hash_pins, wanted, master)
        await services.database.write(lambda conn: pins.keep_hashes(conn, hashed))


def _found(conn: Connection, who: str) -> dict[str, Any]:
    person = people.find_person(conn, who)
    if person is None:
        raise not_found("operator_not_found", f"There is no operator {who!r}.")
    return person


def _check_may(call: Call, role: Role) -> None:
    if role in _UPPER and call.person.role is not Role.OWNER:
        raise ApiError(403, "owner_needed", "Only an owner makes or changes owners and operators.")


ROUTES = (
    Route("GET", "/api/v1/operators", Right.OPERATOR, list_all,
          "Everyone who signs in or works at gates", "people", response=answers.Page[answers.Operator]),
    Route("POST", "/api/v1/operators", Right.OPERATOR, create,
          "Add a person", "people", request=NewOperator, example={"name": "Kim Seo-yeon", "role": "supervisor"}, response=answers.Operator, status=201,
          statuses=(400, 409, 413, 415)),
    Route("PATCH", "/api/v1/operators/{id}", Right.OPERATOR, change,
          "Let a person in or out, give them another role or password", "people",
          request=OperatorPatch, example={"active": True}, response=answers.Operator,
          statuses=(400, 404, 409, 413, 415)),
    Route("PUT", "/api/v1/operators/{id}/pin", Right.OPERATOR, set_pin,
          "Set a supervisor's PIN for the gates", "people", request=NewPin, example={"pin": "246813"}, status=204,
          statuses=(400, 404, 413, 415, 422)),
    Route("GET", "/api/v1/operators/{id}/badge.svg", Right.OPERATOR, badge,
          "A supervisor's badge for the gates' cameras", "people",
          response=bytes, response_type="image/svg+xml", statuses=(404,)),
    Route("DELETE", "/api/v1/operators/{id}/pin", Right.OPERATOR, remove_pin,
          "Take a supervisor's PIN back", "people", status=204, statuses=(404,)),
)  # fmt: skip
