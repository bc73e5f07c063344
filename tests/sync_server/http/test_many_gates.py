"""P2, P3, P6: many gates upload at once, some of it twice; each scan counts once."""

import asyncio
from typing import Any

from sqlalchemy import func, select

from shared import wire
from sync_server import system_clock
from sync_server.storage import schema
from sync_server.verify import verify
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import Device, NewServer, Server

GATES, BATCHES, PER_BATCH = 8, 4, 10


async def upload(
    server: Server, device: Device, number: int, batch: int, began_ms: int
) -> dict[str, Any]:
    """Every gate scans everybody: all folds meet the same people."""
    first = batch * PER_BATCH
    at_ms = began_ms + number * 1_000
    entries = [
        scan_entry(
            seq,
            scanId=f"{number}-{seq}",
            kind="person",
            digest=None,
            participantId=f"P{seq % 20:06}",
            occurredAt=wire.format_time(at_ms + seq * 100),
        )
        for seq in range(first + 1, first + PER_BATCH + 1)
    ]
    request = {"deviceId": device.device_id, "epoch": f"{number:016x}", "entries": entries}
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert status == 200, answer
    return dict(answer)


async def test_p2_p3_many_gates_at_once_count_each_scan_once(new_server: NewServer) -> None:
    server: Server = await new_server(people_count=20)
    gates = [await server.enrol() for _ in range(GATES)]
    began_ms = system_clock.now_ms() - 600_000
    jobs = [
        upload(server, device, number, batch, began_ms)
        for batch in (*range(BATCHES), 0)  # the first once more: its answer was lost
        for number, device in enumerate(gates)
    ]
    await asyncio.gather(*jobs)

    def count(conn: Any) -> int:
        return int(conn.execute(select(func.count()).select_from(schema.scans)).scalar_one())

    assert await server.database.read(count) == GATES * BATCHES * PER_BATCH
    _, devices = await server.api("GET", "/devices", key=server.keys["operator"])
    assert {item["contiguousThrough"] for item in devices["items"]} == {BATCHES * PER_BATCH}
    assert all(item["holes"] == [] for item in devices["items"])
    _, overall = await server.api("GET", "/stats/overall", key=server.keys["viewer"])
    assert overall["attendedParticipants"] == 20
    assert await server.database.read(verify) == []
