"""P2, P3: what a revoked device sends waits; an operator sees it and accepts it."""

from typing import Any

from shared import wire
from sync_server import system_clock
from sync_server.verify import verify
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import Device, Server

EPOCH = "0011223344556677"


async def send(server: Server, device: Device, first: int, last: int) -> list[dict[str, Any]]:
    at = wire.format_time(system_clock.now_ms())
    entries = [
        scan_entry(
            seq,
            scanId=f"{device.device_id}-{seq}",
            kind="person",
            digest=None,
            participantId=f"P{seq:06}",
            occurredAt=at,
        )
        for seq in range(first, last + 1)
    ]
    request = {"deviceId": device.device_id, "epoch": EPOCH, "entries": entries}
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert status == 200, answer
    return list(answer["outcomes"])


async def attended(server: Server) -> int:
    _, figures = await server.api("GET", "/stats/overall", key=server.keys["viewer"])
    return int(figures["attendedParticipants"])


async def test_p3_what_waits_is_seen_accepted_and_what_comes_later_waits_again(
    server: Server,
) -> None:
    device, operator = await server.enrol(), server.keys["operator"]
    path = f"/devices/{device.device_id}"
    await send(server, device, 1, 1)
    assert (await server.api("DELETE", path, key=operator))[0] == 204
    outcomes = await send(server, device, 2, 4)
    assert {(one["verdict"], one["kind"]) for one in outcomes} == {("refused", "quarantined")}
    assert await attended(server) == 1
    status, waiting = await server.api("GET", f"{path}/quarantine", key=operator)
    assert (status, waiting["waiting"]) == (200, 3)
    assert [item["seq"] for item in waiting["items"]] == [4, 3, 2]
    assert "operator" in waiting["items"][0]["explanation"]["en"]
    _, listed = await server.api("GET", "/devices", key=operator)
    assert [item["quarantinedScans"] for item in listed["items"]] == [3]
    status, answer = await server.api(
        "POST", f"{path}/quarantine/accept", key=operator, json={"reason": "found in the van"}
    )
    assert (status, answer) == (200, {"accepted": 3})
    assert await attended(server) == 4
    status, answer = await server.api("GET", "/sync/changes", key=device.token)
    assert answer["error"]["code"] == "device_revoked", "its scans count; the device stays out"
    outcomes = await send(server, device, 5, 5)
    assert outcomes[0]["kind"] == "quarantined", "a thief goes on sending"
    assert await attended(server) == 4
    assert await server.database.read(verify) == []


async def test_nothing_waits_and_nobody_is_named(server: Server) -> None:
    device, operator = await server.enrol(), server.keys["operator"]
    accept = f"/devices/{device.device_id}/quarantine/accept"
    status, answer = await server.api("POST", accept, key=operator, json={"reason": "x"})
    assert (status, answer["error"]["code"]) == (422, "nothing_waits")
    status, answer = await server.api("POST", accept, key=operator, json={"reason": " "})
    assert (status, answer["error"]["field"]) == (400, "reason")
    for method, path in (("GET", "quarantine"), ("POST", "quarantine/accept")):
        more = {"json": {"reason": "x"}} if method == "POST" else {}
        status, _ = await server.api(method, f"/devices/nobody/{path}", key=operator, **more)
        assert status == 404
