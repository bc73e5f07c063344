"""Wrong requests get the errors of API §2: JSON, a code, a field, a request id; never more."""

import asyncio
import io
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared import limits
from shared.errors import TransientError
from sync_server.insight import stats
from tests.sync_server.http.conftest import Server

JSON = {"Content-Type": "application/json"}


def checked(answer: Any) -> dict[str, Any]:
    error = answer["error"]
    assert {"code", "message", "requestId"} <= set(error)
    assert "Traceback" not in json.dumps(answer)
    return error


@pytest.mark.parametrize(
    ("data", "status", "code", "field"),
    [
        (b"{", 400, "malformed_json", None),
        (b"\xff\xfe", 400, "malformed_json", None),
        (b"[" * 100_000, 400, "invalid_request", None),
        (b"[]", 400, "invalid_request", None),
        (b'{"name":1,"password":"x"}', 400, "invalid_request", "name"),
        (b'{"name":"x"}', 400, "invalid_request", None),
        (b'{"name":"x","password":"y","colour":1}', 400, "unknown_member", "colour"),
        (b'"' + b"x" * limits.BODY_BYTES_MAX + b'"', 413, "too_large", None),
    ],
)
async def test_a_wrong_body_is_named(
    server: Server, data: bytes, status: int, code: str, field: str | None
) -> None:
    found, answer = await server.api("POST", "/session", data=io.BytesIO(data), headers=JSON)
    error = checked(answer)
    assert (found, error["code"], error.get("field")) == (status, code, field)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=zz"])
async def test_a_form_that_is_none_is_named(server: Server, kind: str) -> None:
    key, headers = server.keys["operator"], {"Content-Type": kind}
    status, answer = await server.api(
        "POST", "/participants/import", data=io.BytesIO(b"x"), headers=headers, key=key
    )
    assert (status, checked(answer)["code"]) == (400, "malformed_body")


async def test_p12_a_chunked_body_without_an_end_is_cut_off(server: Server) -> None:
    async def endless() -> Any:
        yield b'{"name":"'
        for _ in range(limits.BODY_BYTES_MAX // 65_536 + 2):
            yield b"x" * 65_536

    status, answer = await server.api("POST", "/session", data=endless(), headers=JSON)
    assert (status, checked(answer)["code"]) == (413, "too_large")


async def test_p12_a_body_that_never_comes_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_S_MAX", 0.2)

    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(1)

    status, answer = await server.api("POST", "/session", data=slow(), headers=JSON)
    assert (status, checked(answer)["code"]) == (408, "too_slow")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", ""])
async def test_another_content_type_is_refused(server: Server, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    status, answer = await server.api("POST", "/session", data=b"{}", headers=headers)
    assert (status, checked(answer)["code"]) == (415, "unsupported_media_type")


async def test_unknown_addresses_methods_and_parameters(server: Server) -> None:
    for path in ("/nothing", "/api/v1/nothing", "/static/../secret", "/static/.hidden"):
        status, answer = await server.call("GET", path, headers={"Accept": "text/html"})
        assert (status, checked(answer)["code"]) == (404, "not_found")
        assert server.last.content_type == "application/json"
    status, answer = await server.api("PUT", "/session")
    assert (status, checked(answer)["code"]) == (405, "method_not_allowed")
    assert "POST" in server.last.headers["Allow"]
    key = server.keys["viewer"]
    status, answer = await server.api("GET", "/stats/overall?colour=red", key=key)
    assert (status, checked(answer)["field"]) == (400, "colour")


async def test_garbage_that_is_no_http_is_answered_in_json(server: Server) -> None:
    port = urlsplit(server.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01 what is this\r\n\r\n")
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert checked(json.loads(body))["code"] == "malformed_request"


async def test_a_failure_of_ours_tells_its_id_and_nothing_else(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_given: Any, **_named: Any) -> Any:
        raise RuntimeError("secret detail")

    key = server.keys["viewer"]
    monkeypatch.setattr(stats, "overall", broken)
    status, answer = await server.api("GET", "/stats/overall", key=key)
    assert (status, checked(answer)["code"]) == (500, "internal")
    assert "secret" not in json.dumps(answer)
    captured = capsys.readouterr()
    assert answer["error"]["requestId"] in captured.out + captured.err


async def test_p12_a_full_queue_says_when_to_come_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: Any, **_named: Any) -> Any:
        raise TransientError("The server is busy; try again in a moment.")

    monkeypatch.setattr(stats, "overall", full)
    status, answer = await server.api("GET", "/stats/overall", key=server.keys["viewer"])
    assert (status, checked(answer)["code"]) == (503, "busy")
    assert server.last.headers["Retry-After"] == "1"


async def test_pages_carry_a_strict_policy(server: Server) -> None:
    for path in ("/", "/docs"):
        status, body = await server.call("GET", path)
        assert status == 200
        policy = server.last.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'")
        assert "unsafe" not in policy
        assert server.last.headers["X-Content-Type-Options"] == "nosniff"
        assert b"<script>" not in body
        assert b"style=" not in body
