"""Keys of services: listed, made, revoked. A key is told once and kept as a digest only."""

from typing import Any, Literal

from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.errors import UsageError
from sync_server.http import answers, answers_people
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import PersonName
from sync_server.http.routing import Call, Route, json_response, no_content
from sync_server.identity import services
from sync_server.identity.rights import Right


class NewKey(wire.Request, kw_only=True):
    name: PersonName
    role: Literal["service", "viewer", "supervisor", "operator", "owner"]


async def list_all(call: Call) -> web.StreamResponse:
    found = await call.services.database.read(services.list_keys)
    return json_response({"items": found, "cursor": None})


async def create(call: Call) -> web.StreamResponse:
    body: NewKey = await call.body()
    name = body.name.strip()

    def job(conn: Connection) -> dict[str, Any]:
        if any(key["name"] == name for key in services.list_keys(conn)):
            raise ApiError(
                409, "name_taken", f"There is, or was, a key named {name!r}.", field="name"
            )
        key = services.create_api_key(conn, name, body.role, call.received_ms)
        return {"name": name, "role": body.role, "key": key}

    try:
        return json_response(await call.services.database.write(job), 201)
    except UsageError as error:
        raise invalid("name", str(error)) from error


async def revoke(call: Call) -> web.StreamResponse:
    name = call.part("name")
    if not await call.services.database.write(
        lambda conn: services.revoke_key(conn, name, call.received_ms)
    ):
        raise not_found("key_not_found", f"There is no key {name!r}.")
    return no_content()


ROUTES = (
    Route("GET", "/api/v1/api-keys", Right.OWNER, list_all,
          "The keys of services and programs, those revoked too", "people",
          response=answers.Page[answers_people.ApiKeyItem]),
    Route("POST", "/api/v1/api-keys", Right.OWNER, create,
          "A new key; it is told in this answer and never again", "people",
          request=NewKey, example={"name": "ticket shop", "role": "service"},
          response=answers_people.NewApiKey, status=201, statuses=(400, 409, 413, 415)),
    Route("DELETE", "/api/v1/api-keys/{name}", Right.OWNER, revoke,
          "Revoke a key, for good and at once", "people", status=204, statuses=(404,)),
)  # fmt: skip
