"""The OpenAPI 3.1 document, made from the route table, and a page to read it."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from aiohttp import web

from sync_server.http.pages import file_response
from sync_server.http.routing import JSON, Call, Route, json_response
from sync_server.identity.rights import Right

_ERRORS = {
    400: "Malformed or invalid; `field` names where",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not there",
    408: "The body came too slowly",
    409: "In conflict with what is stored",
    410: "Over",
    413: "Too large",
    415: "Another content type is taken",
    422: "Understood, but not allowed now",
    426: "A WebSocket address",
    429: "Too many tries; `Retry-After` says when",
    503: "Busy; `Retry-After` says when",
}
_PART = {"type": "string", "minLength": 1}
_HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "requestId"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": "string"},
                "requestId": {"type": "string"},
            },
        }
    },
}


def document(routes: Iterable[Route], server_url: str) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes."""
    routes = list(routes)
    kinds = [
        kind
        for route in routes
        for kind in (route.query, route.request, route.response, route.accepted)
        if kind is not None
    ]
    found, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    schema_of = {id(kind): schema for kind, schema in zip(kinds, found, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schema_of, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gatesync",
            "version": _version(),
            "description": "Checks people in at the gates of one event.",
        },
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {
            "schemas": {**_without_queries(components, routes), "Error": _ERROR_SCHEMA},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "gatesync_session"},
            },
        },
    }


def _operation(
    route: Route, schema_of: dict[int, Any], components: dict[str, Any]
) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PART}
        for name in re.findall(r"{(\w+)", route.path)
    ]
    if route.query is not None:
        parameters += _query(components[_name(schema_of[id(route.query)])])
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()} {route.path}").strip("_"),
        "tags": [route.tag],
        "x-right": route.right.value,
        "parameters": parameters,
        "responses": _responses(route, schema_of),
        "security": _security(route.right),
    }
    if route.handler.__doc__:
        operation["description"] = " ".join(route.handler.__doc__.split())
    if route.request is not None:
        schema = _FILE if route.request is bytes else schema_of[id(route.request)]
        content: dict[str, Any] = {route.request_type: {"schema": schema}}
        if route.example is not None:
            content[route.request_type]["example"] = route.example
        operation["requestBody"] = {"required": True, "content": content}
    elif route.request_type != JSON:
        operation["requestBody"] = {"required": True, "content": {route.request_type: {}}}
    return operation


def _responses(route: Route, schema_of: dict[int, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.summary}
    if route.status not in {101, 204}:
        plain = route.response is None or route.response is bytes
        schema = {} if plain else {"schema": schema_of[id(route.response)]}
        good["content"] = {route.response_type: schema}
    errors = {*route.statuses, 400, 429, 503}  # 400: an unknown parameter
    if route.right is not Right.ANYONE:
        errors |= {401, 403}
    if _takes_a_body(route):
        errors |= {408}
    refused = {"$ref": "#/components/schemas/Error"}
    goods = {str(route.status): good}
    if route.accepted is not None:
        content = {JSON: {"schema": schema_of[id(route.accepted)]}}
        goods["202"] = {"description": "A job, for a large one", "content": content}
    return goods | {
        str(status): {
            "description": _ERRORS[status],
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
            "content": {JSON: {"schema": refused}},
        }
        for status in sorted(errors)
    }


def _without_queries(components: dict[str, Any], routes: Iterable[Route]) -> dict[str, Any]:
    """Queries stand in the operations, parameter by parameter."""
    queries = {route.query.__name__ for route in routes if route.query is not None}
    return {name: schema for name, schema in components.items() if name not in queries}


def _takes_a_body(route: Route) -> bool:
    return route.request is not None or route.request_type != JSON


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": of}
        for name, of in schema.get("properties", {}).items()
    ]


def _security(right: Right) -> list[dict[str, list[str]]]:
    if right in {Right.ANYONE, Right.PROBE}:
        return []
    if right is Right.DEVICE:
        return [{"bearer": []}]
    return [{"bearer": []}, {"cookie": []}]


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _version() -> str:
    try:
        return version("gatesync")
    except PackageNotFoundError:
        return "0"


async def openapi(call: Call) -> web.StreamResponse:
    from sync_server.http.routes import all_routes  # the table holds this route too

    return json_response(document(all_routes(), call.services.base_url))


async def docs(_call: Call) -> web.StreamResponse:
    return file_response("docs.html")


ROUTES = (
    Route("GET", "/api/v1/openapi.json", Right.ANYONE, openapi,
          "This document", "documentation", response=dict[str, Any]),
    Route("GET", "/docs", Right.ANYONE, docs, "A page to read it", "documentation",
          response_type="text/html"),
)  # fmt: skip
