"""Long polls over real HTTP: woken by a commit, bounded in number (P12)."""

import asyncio

from sync_server.storage import revisions, schema
from sync_server.stream import head_watch
from tests.sync_server.builders import gate_row
from tests.sync_server.http.conftest import Server


async def cursor_of(server: Server, token: str) -> str:
    status, body = await server.api("GET", "/sync/changes", key=token)
    assert status == 200
    return body.splitlines()[-1].decode().partition('"cursor":"')[2].partition('"')[0]


async def test_a_commit_wakes_every_gate_that_waits(server: Server) -> None:
    devices = [await server.enrol() for _ in range(4)]
    cursor = await cursor_of(server, devices[0].token)
    query = {"cursor": cursor, "wait": "50"}
    async with asyncio.TaskGroup() as tasks:
        polls = [
            tasks.create_task(server.api("GET", "/sync/changes", key=d.token, params=query))
            for d in devices
        ]
        while server.services.heads.waiting < len(devices):
            await asyncio.sleep(0.01)
        row = gate_row("north") | {"name": "renamed"}
        await server.database.write(lambda conn: revisions.upsert(conn, schema.gates, row))
    for poll in polls:
        status, body = poll.result()
        assert status == 200
        assert b"renamed" in body
    assert server.services.heads.waiting == 0


async def test_p12_more_than_may_wait_are_told_to_come_back(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(head_watch, "LONG_POLLS_MAX", 0)
    device = await server.enrol()
    cursor = await cursor_of(server, device.token)
    query = {"cursor": cursor, "wait": "50"}
    status, answer = await server.api("GET", "/sync/changes", key=device.token, params=query)
    assert (status, answer["error"]["code"]) == (503, "busy")
    assert int(server.last.headers["Retry-After"]) >= 1
