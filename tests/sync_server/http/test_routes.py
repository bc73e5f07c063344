"""Every route asks for its right, of every kind of caller; the document covers every route."""

import re
from typing import Any

import pytest

from sync_server.http.openapi import document
from sync_server.http.routes import all_routes
from sync_server.http.routing import Route
from sync_server.identity.rights import Right, Role, allows
from tests.sync_server.http.conftest import Server

# What each role may do, written down a second time and by hand (DESIGN §7, API §2).
MAY = {
    "nobody": {"anyone", "probe"},
    "viewer": {"anyone", "probe", "viewer"},
    "supervisor": {"anyone", "probe", "viewer", "supervisor"},
    "operator": {"anyone", "probe", "viewer", "supervisor", "operator", "service"},
    "owner": {"anyone", "probe", "viewer", "supervisor", "operator", "service", "owner"},
    "service": {"anyone", "probe", "service"},
    "device": {"anyone", "probe", "device"},
}
# API §2's column "who" for routes that matter most, by hand as well.
WHO = {
    "GET /api/v1/sync/changes": "device",
    "POST /api/v1/sync/scans": "device",
    "POST /api/v1/sync/status": "device",
    "GET /api/v1/participants": "operator",
    "POST /api/v1/participants": "operator",
    "POST /api/v1/participants/import": "operator",
    "DELETE /api/v1/credentials/{id}": "operator",
    "POST /api/v1/gates/{id}/enrolments": "operator",
    "DELETE /api/v1/devices/{id}": "operator",
    "PATCH /api/v1/event": "operator",
    "POST /api/v1/attendance/record": "service",
    "POST /api/v1/attendance/batch": "service",
    "POST /api/v1/tickets/verify": "service",
    "GET /api/v1/attendance": "viewer",
    "GET /api/v1/conflicts": "supervisor",
    "POST /api/v1/scans/{id}/resolution": "supervisor",
    "GET /api/v1/stats/overall": "viewer",
    "GET /api/v1/live": "viewer",
}
ROUTES = all_routes()


def address(route: Route) -> str:
    return re.sub(r"{(\w+)(:[^}]*)?}", "nothing-of-this-name", route.path)


@pytest.mark.parametrize("caller", MAY)
async def test_each_route_asks_for_its_right(server: Server, caller: str) -> None:
    key = (await server.enrol()).token if caller == "device" else server.keys.get(caller)
    for route in ROUTES:
        if route.path == "/api/v1/session" and route.method == "DELETE":
            continue  # would sign the caller out; see test_sessions
        status, answer = await server.call(route.method, address(route), key=key)
        where = f"{caller}: {route.method} {route.path} → {status} {answer!r:.200}"
        if route.right.value in MAY[caller]:
            assert status not in {401, 403} or _says_otherwise(answer), where
            assert status < 500, where
        elif caller == "nobody":
            assert status == 401, where
            assert answer["error"]["code"] == "not_authenticated", where
            assert "WWW-Authenticate" in server.last.headers, where
        else:
            assert (status, answer["error"]["code"]) == (403, "forbidden"), where


def _says_otherwise(answer: Any) -> bool:
    """A handler's own 401 or 403, as a wrong password's: not one of a missing right."""
    code = answer["error"]["code"]
    return code not in {"not_authenticated", "forbidden"}


def test_the_routes_of_the_api_have_the_rights_it_names() -> None:
    rights = {f"{route.method} {route.path}": route.right.value for route in ROUTES}
    assert {name: rights.get(name) for name in WHO} == WHO


def test_rights_and_roles_are_as_written_down() -> None:
    for role in Role:
        allowed = {right.value for right in Right if allows(right, role)}
        assert allowed - {"probe"} == MAY[role.value] - {"probe"}


def test_no_route_stands_twice() -> None:
    names = [f"{route.method} {route.path}" for route in ROUTES]
    assert len(names) == len(set(names))


async def test_the_document_covers_every_route(server: Server) -> None:
    status, spec = await server.api("GET", "/openapi.json")
    assert status == 200
    assert spec["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = spec["paths"][route.path][route.method.lower()]
        assert operation["x-right"] == route.right.value
        assert operation["summary"]
        assert str(route.status) in operation["responses"]
        assert bool(operation["security"]) == (route.right not in {Right.ANYONE, Right.PROBE})
    assert spec["servers"] == [{"url": server.url}]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    spec = document(ROUTES, "http://x")
    names = set(spec["components"]["schemas"])

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/components/schemas/") in names
            for part in node.values():
                walk(part)
        elif isinstance(node, list):
            for part in node:
                walk(part)

    walk(spec)


async def test_the_docs_page_needs_nothing_from_outside(server: Server) -> None:
    status, body = await server.call("GET", "/docs")
    assert status == 200
    assert server.last.content_type == "text/html"
    assert b"http://" not in body
    assert b"https://" not in body
    for name in re.findall(rb'"(/static/[^"]+)"', body):
        assert (await server.call("GET", name.decode()))[0] == 200
