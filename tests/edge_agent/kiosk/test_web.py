"""The kiosk's routes (API §3.8): what they answer, and whom they refuse."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from edge_agent.kiosk.web import BODY_BYTES_MAX, FRAMES_WAITING_MAX, SOCKETS_MAX, KioskWeb
from shared.errors import TransientError, UsageError
from shared.model import Direction

ANSWER = {"admitted": True, "reason": "ok", "code": 0}


class Gate:
    """Stands in for the lane."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Direction | None]] = []
        self.fault: Exception | None = None

    async def present(self, code: str, direction: Direction | None) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        self.asked.append((code, direction))
        return ANSWER

    def state(self) -> dict[str, Any]:
        return {"gate": {"id": "g1", "name": "Main"}, "online": True, "waiting": 3}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def kiosk(gate: Gate) -> AsyncIterator[KioskWeb]:
    kiosk = KioskWeb(0, gate.present, gate.state)
    yield kiosk
    await kiosk.stop()


@pytest.fixture
async def client(kiosk: KioskWeb) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(await kiosk.start()) as session:
        yield session


async def test_the_page_and_its_files_come_with_a_strict_policy(
    client: aiohttp.ClientSession,
) -> None:
    for path, kind in [("/", "text/html"), ("/static/kiosk.js", "javascript")]:
        async with client.get(path) as answer:
            assert answer.status == 200
            assert kind in answer.headers["Content-Type"]
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy


async def test_a_code_is_presented_as_typed(client: aiohttp.ClientSession, gate: Gate) -> None:
    for body in [{"code": " GS:X "}, {"code": "GS:X", "direction": "exit"}]:
        async with client.post("/api/present", json=body) as answer:
            assert (answer.status, await answer.json()) == (200, ANSWER)
    assert gate.asked == [("GS:X", None), ("GS:X", Direction.EXIT)]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b'{"code":"x","more":1}', "application/json", 400, "invalid_request"),
        (b'{"code":7}', "application/json", 400, "invalid_request"),
        (b'{"direction":"entry"}', "application/json", 400, "invalid_request"),
        (b'{"code":"x","direction":"up"}', "application/json", 400, "invalid_request"),
        (b'{"code":"  "}', "application/json", 400, "invalid_request"),
        (b'{"code":"' + b"x" * 1025 + b'"}', "application/json", 400, "invalid_request"),
        (b"[" * 9000, "application/json", 400, "invalid_request"),
        (b"\xff\xfe", "application/json", 400, "invalid_request"),
        (b'{"code":"\xff"}', "application/json", 400, "invalid_request"),
        (b"", "application/json", 400, "invalid_request"),
        (b'{"code":"x"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"code":"' + b"x" * BODY_BYTES_MAX + b'"}', "application/json", 413, "too_large"),
    ],
)
async def test_what_is_not_as_agreed_is_refused_in_json(
    client: aiohttp.ClientSession, gate: Gate, body: bytes, kind: str, status: int, code: str
) -> None:
    async with client.post("/api/present", data=body, headers={"Content-Type": kind}) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (status, code)
        assert error["message"]
        assert error["requestId"]
    assert gate.asked == []


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/static/..%2fweb.py", 404), ("/api/present", 405), ("/api/live", 400)],
)
async def test_other_paths_answer_in_json(
    client: aiohttp.ClientSession, path: str, status: int
) -> None:
    async with client.get(path) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["requestId"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/live"])
async def test_other_sites_are_refused(
    client: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with client.get(path, headers=headers) as answer:
        assert answer.status == 403
        assert (await answer.json())["error"]["code"].startswith("foreign_")


async def test_each_own_name_is_let_in(kiosk: KioskWeb) -> None:
    address = await kiosk.start()
    port = address.rstrip("/").rsplit(":", 1)[1]
    async with aiohttp.ClientSession() as session:
        for name in ["localhost", "127.0.0.1", "[::1]"]:
            own = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
            async with session.get(f"{address}api/state", headers=own) as answer:
                assert answer.status == 200


async def test_a_body_that_is_not_packed_as_it_says_is_refused(
    client: aiohttp.ClientSession, gate: Gate
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.post("/api/present", data=b'{"code":"x"}', headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_request")
    assert gate.asked == []


async def test_faults_have_a_name(client: aiohttp.ClientSession, gate: Gate) -> None:
    for fault, status, code in [
        (TransientError("Busy."), 503, "busy"),
        (UsageError("This gate is for entry only."), 400, "invalid_request"),
        (KeyError(), 500, "internal"),
    ]:
        gate.fault = fault
        async with client.post("/api/present", json={"code": "x"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_frames_arrive_in_order_after_the_state(
    client: aiohttp.ClientSession, kiosk: KioskWeb
) -> None:
    async with client.ws_connect("/api/live") as line:
        first = await line.receive_json(timeout=5)
        assert first["type"] == "health"
        assert first["data"]["waiting"] == 3
        for n in range(FRAMES_WAITING_MAX):
            kiosk.publish("count", {"inside": n})
        got = [await line.receive_json(timeout=5) for _ in range(FRAMES_WAITING_MAX)]
        assert [frame["data"]["inside"] for frame in got] == list(range(FRAMES_WAITING_MAX))
        health = await line.receive_json(timeout=5)  # comes by itself in silence
        assert health == first
        kiosk.publish("health", {"waiting": 4})  # a page reloads when `assets` changes
        told = (await line.receive_json(timeout=5))["data"]
        assert told == {"waiting": 4, "assets": first["data"]["assets"]}


async def test_p12_a_page_that_does_not_keep_up_is_dropped(
    client: aiohttp.ClientSession, kiosk: KioskWeb
) -> None:
    """P12: the queue of a page is bounded; full means that the page is dropped."""
    async with client.ws_connect("/api/live") as line:
        await line.receive_json(timeout=5)
        for n in range(FRAMES_WAITING_MAX + 2):
            kiosk.publish("count", {"inside": n})
        async with asyncio.timeout(5):
            while not line.closed:
                await line.receive()


async def test_p12_pages_are_limited(client: aiohttp.ClientSession) -> None:
    """P12: more pages than the limit get a clear error; a closed one makes room."""
    lines = [await client.ws_connect("/api/live") for _ in range(SOCKETS_MAX)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect("/api/live")
    assert refused.value.status == 503
    await lines[0].close()
    async with asyncio.timeout(5):
        while True:
            try:
                lines.append(await client.ws_connect("/api/live"))
                break
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0.01)
    for line in lines:
        await line.close()


async def test_a_port_in_use_is_told_in_one_line(gate: Gate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as told:
            await KioskWeb(port, gate.present, gate.state).start()
    assert str(port) in str(told.value)
    assert "--kiosk-port" in str(told.value)
    assert "\n" not in str(told.value)
