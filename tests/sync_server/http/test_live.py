"""The live page's WebSocket, and the end of the server while somebody watches."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.wire import format_time
from sync_server import system_clock
from sync_server.bootstrap import listening
from sync_server.config import Config
from sync_server.http.authentication import COOKIE
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder
from tests.sync_server.builders import digest_of, scan_entry
from tests.sync_server.http.conftest import Server, begin


async def frame(socket: Any, kind: str, within_s: float = 3) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while True:
            found = await socket.receive_json()
            if found["type"] == kind:
                return found["data"]


async def test_the_whole_picture_comes_first_then_each_scan_at_once(server: Server) -> None:
    device = await server.enrol()
    path = server.url + "/api/v1/live"
    headers = {"Authorization": f"Bearer {server.keys['viewer']}"}
    async with server.http.ws_connect(path, headers=headers) as socket:
        stats = await frame(socket, "stats.updated")
        assert stats["overall"]["totalParticipants"] == 5
        assert stats["overall"]["attendedParticipants"] == 0
        gates = [await frame(socket, "gate.status") for _ in range(3)]
        assert {gate["gateId"] for gate in gates} == {"north", "south", "vip"}
        entry = scan_entry(
            1,
            digest=None,
            kind="person",
            participantId="P000001",
            occurredAt=format_time(system_clock.now_ms()),
        )
        request = {"deviceId": device.device_id, "epoch": "00ff", "entries": [entry]}
        status, _ = await server.api("POST", "/sync/scans", key=device.token, json=request)
        assert status == 200
        scan = await frame(socket, "scan.merged")
        assert (scan["participantId"], scan["verdict"]) == ("P000001", "confirmed")
        async with asyncio.timeout(3):
            while (await frame(socket, "stats.updated"))["overall"]["attendedParticipants"] != 1:
                pass
    status, figures = await server.api("GET", "/stats/overall", key=server.keys["viewer"])
    assert figures["attendanceRate"] == 20.0
    status, gates = await server.api("GET", "/stats/gates", key=server.keys["viewer"])
    north = next(gate for gate in gates if gate["gateId"] == "north")
    assert (north["totalProcessed"], north["methodBreakdown"]) == (1, {"qr_scan": 1})
    status, hours = await server.api("GET", "/stats/hourly", key=server.keys["viewer"])
    assert [(hour["count"], hour["gates"]) for hour in hours] == [(1, {"north": 1})]
    assert hours[0]["hour"].endswith("+09:00")
    assert digest_of(1) not in str(scan)


async def test_an_alert_comes_to_the_page_and_goes_when_it_is_over(server: Server) -> None:
    viewer, operator = server.keys["viewer"], server.keys["operator"]
    device = await server.enrol()
    now_ms = system_clock.now_ms()
    about = {"digest": None, "kind": "person", "participantId": "P000001"}
    entries = [
        scan_entry(n, **about, occurredAt=format_time(now_ms - 20_000 + n * 5_000)) for n in (1, 2)
    ]
    request = {"deviceId": device.device_id, "epoch": "00ff", "entries": entries}
    headers = {"Authorization": f"Bearer {viewer}"}
    async with server.http.ws_connect(server.url + "/api/v1/live", headers=headers) as socket:
        await server.api("POST", "/sync/scans", key=device.token, json=request)
        raised = await frame(socket, "alert.raised", within_s=10)
        assert raised["type"] == "conflict"
        assert set(raised["message"]) == {"en", "ko"}
        _, standing = await server.api("GET", "/alerts?standing=true", key=viewer)
        assert [item["id"] for item in standing["items"]] == [raised["id"]]
        path = f"/alerts/{raised['id']}/acknowledge"
        status, seen = await server.api("POST", path, key=viewer)
        assert (status, seen["acknowledgedBy"]) == (200, "viewer")
        _, conflicts = await server.api("GET", "/conflicts?open=true", key=operator)
        word = {"action": "accept", "reason": "Two people, one list entry"}
        scan_id = conflicts["items"][0]["scanId"]
        path = f"/scans/{scan_id}/resolution"
        assert (await server.api("POST", path, key=operator, json=word))[0] < 300
        cleared = await frame(socket, "alert.cleared", within_s=10)
        assert (cleared["id"], cleared["clearedAt"] is None) == (raised["id"], False)
    assert (await server.api("POST", "/alerts/999/acknowledge", key=viewer))[0] == 404


async def test_only_our_own_page_may_open_it(server: Server) -> None:
    path = server.url + "/api/v1/live"
    cookie = {"Cookie": f"{COOKIE}={server.keys['viewer']}"}
    for headers, status in (
        ({}, 401),
        (cookie, 403),
        (cookie | {"Origin": "http://evil.example"}, 403),
        ({"Authorization": f"Bearer {server.keys['service']}"}, 403),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await server.http.ws_connect(path, headers=headers)
        assert refused.value.status == status
    async with server.http.ws_connect(path, headers=cookie | {"Origin": server.url}) as socket:
        await frame(socket, "stats.updated")
    protocols = ["gatesync.live", f"bearer.{server.keys['viewer']}"]
    async with server.http.ws_connect(path, protocols=protocols) as socket:
        assert socket.protocol == "gatesync.live"
        await frame(socket, "stats.updated")
    status, _ = await server.api("GET", "/live", key=server.keys["viewer"])
    assert status == 426


async def test_the_server_ends_at_once_though_pages_and_polls_are_open(
    tmp_path: Path,
) -> None:
    folder = DataFolder(tmp_path)
    database = Database.open(folder.database_url)
    begin(database, folder, 2)
    async with aiohttp.ClientSession() as http:
        async with listening(database, folder, Config(port=0)) as running:
            server = Server(running, http)
            device = await server.enrol()
            _, signed_in = await server.api(
                "POST", "/session", json={"name": "viewer", "password": "correct horse battery"}
            )
            headers = {"Authorization": f"Bearer {signed_in['token']}"}
            socket = await http.ws_connect(server.url + "/api/v1/live", headers=headers)
            _, body = await server.api("GET", "/sync/changes", key=device.token)
            cursor = body.splitlines()[-1].split(b'"cursor":"')[1].split(b'"')[0].decode()
            query = {"cursor": cursor, "wait": 50}
            async with asyncio.timeout(25), asyncio.TaskGroup() as tasks:  # half of the wait
                poll = tasks.create_task(
                    server.api("GET", "/sync/changes", key=device.token, params=query)
                )
                await asyncio.sleep(0.2)
                running.heads.close()  # what leaving the block begins with
            assert poll.result()[0] == 200
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    database.close()
