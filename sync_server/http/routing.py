"""One table says everything about a route: who may call it, what goes in, what comes out.

The server's routes, the OpenAPI document and the test of all routes with all callers are made from
the same `Route` values.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from shared import limits
from shared.limits import BODY_BYTES_MAX
from sync_server.http.encoding import encoding_of, plain_body
from sync_server.http.errors import ApiError, from_validation, invalid
from sync_server.http.services import Services
from sync_server.identity.rights import Caller, Right

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"
API = "/api/v1"


class Query(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base of a route's query parameters: an unknown one is an error."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: who calls, and the query in its type. The body is read on demand."""

    request: web.Request
    services: Services
    route: "Route"
    caller: Caller | None
    query: Any
    received_ms: int

    @property
    def person(self) -> Caller:
        """The caller; only for routes whose right is not `anyone`."""
        assert self.caller is not None, "a route without a right has no caller"
        return self.caller

    def part(self, name: str) -> str:
        """A variable part of the path."""
        return self.request.match_info[name]

    async def body(self) -> Any:
        """The JSON body in the route's request type; 413, 415 or 400 where it is not that."""
        raw = await self.raw_body(JSON)
        return decoded(raw, lambda said: msgspec.json.decode(said, type=self.route.request or Any))

    async def raw_body(self, content_type: str) -> bytes:
        if self.request.content_type != content_type:
            raise ApiError(
                415,
                "unsupported_media_type",
                f"Send the body as {content_type}, not as {self.request.content_type}.",
            )
        encoding = encoding_of(self.request)
        length = self.request.content_length
        if length is not None and length > BODY_BYTES_MAX:
            raise ApiError(413, "too_large", f"At most {BODY_BYTES_MAX} bytes are taken.")
        try:
            async with asyncio.timeout(limits.BODY_S_MAX):
                body = await self.request.read()
        except TimeoutError as error:
            raise ApiError(
                408, "too_slow", f"A body must have arrived within {limits.BODY_S_MAX} s."
            ) from error
        return body if encoding is None else plain_body(encoding, body, BODY_BYTES_MAX)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def decoded(body: bytes, decode: Callable[[bytes], T]) -> T:
    """What msgspec makes of a body; 400 with the place where it is not that."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise from_validation(error) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise invalid(None, f"The body is not JSON: {error}", "malformed_json") from error


@dataclass(frozen=True, slots=True)
class Route:
    """`statuses` are the errors that may come beside 400, 401, 403, 405, 408, 429, 500 and 503.

    `request` and `response` are the forms of the bodies: the document tells them, and every test
    that calls a route holds them. `accepted` is that of a 202, where work goes on after the answer.
    """

    method: str
    path: str
    right: Right
    handler: Handler
    summary: str
    tag: str
    query: type[Query] | None = None
    request: Any = None
    response: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    accepted: Any = None
    request_type: str = JSON
    response_type: str = JSON
    example: Any = None  # a body that is good as it stands, for who reads the document


def json_response(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json"
    )


def no_content() -> web.Response:
    return web.Response(status=204)


def read_query(request: web.Request, kind: type[Query] | None) -> Any:
    """Query parameters in their type; texts become numbers and booleans where asked for."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise invalid(name, f"{name} may be given once")
        given[name] = value
    if kind is None:
        if given:
            name = next(iter(given))
            raise invalid(name, f"This address takes no parameter {name!r}.", "unknown_member")
        return None
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise from_validation(error) from error
