"""Holds each answer that a test gets against what the route table, and so OpenAPI, says of it."""

import re
from functools import cache
from typing import Any

import msgspec

from sync_server.http.openapi import document
from sync_server.http.routes import all_routes
from sync_server.http.routing import Route

# aiohttp's own, of addresses and headers that are no call of ours; and 500, which a test plants.
ANYWHERE = {405, 431, 500}


@cache
def _table() -> list[tuple[str, re.Pattern[str], Route]]:
    def pattern(path: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")

    fixed_first = sorted(all_routes(), key=lambda route: route.path.count("{"))
    return [(route.method, pattern(route.path), route) for route in fixed_first]


@cache
def _document() -> dict[str, Any]:
    return document(all_routes(), "http://x")


def check_answer(method: str, path: str, status: int, content_type: str, body: Any) -> None:
    """AssertionError where the answer is not one that the document names."""
    path = path.partition("?")[0]
    found = (
        route for asked, fits, route in _table() if asked == method.upper() and fits.match(path)
    )
    route = next(found, None)
    if route is None or status in ANYWHERE:
        return
    where = f"{method} {route.path} → {status} {body!r:.300}"
    operation = _document()["paths"][route.path][method.lower()]
    assert str(status) in operation["responses"], f"undocumented: {where}"
    if status == 202 and route.accepted is not None:
        msgspec.convert(body, route.accepted)
    elif status != route.status:
        msgspec.convert(body["error"], Error)
    elif status not in {101, 204}:
        assert route.response_type in {content_type, "*/*"}, f"{content_type}: {where}"
        if content_type == "application/json" and route.response is not None:
            try:
                msgspec.convert(body, route.response)
            except msgspec.ValidationError as error:
                raise AssertionError(f"{error}: {where}") from error


class Error(msgspec.Struct, rename="camel"):
    code: str
    message: str
    request_id: str
    field: str | None = None
