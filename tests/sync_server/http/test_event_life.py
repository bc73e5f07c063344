"""The event's life over HTTP: what is told beforehand is what then happens."""

from typing import Any

from shared.wire import format_time
from sync_server import system_clock
from tests.sync_server.http.conftest import Server


async def told(server: Server, status: str) -> str:
    code, found = await server.api("GET", "/event/transitions", key=server.keys["viewer"])
    assert code == 200
    (item,) = [one for one in found["transitions"] if one["status"] == status]
    return " ".join(effect["en"] for effect in item["effects"])


async def enters(server: Server, person: int) -> tuple[int, Any]:
    now = format_time(system_clock.now_ms())
    record = {"participantId": f"P{person:06}", "gateId": "north", "timestamp": now, "method": "qr"}
    return await server.api("POST", "/attendance/record", key=server.keys["service"], json=record)


async def test_p11_each_step_does_what_was_told_before(server: Server) -> None:
    operator = server.keys["operator"]

    async def take(status: str) -> int:
        code, _ = await server.api("POST", "/event/status", key=operator, json={"status": status})
        return code

    assert (await enters(server, 1))[0] == 201
    assert "Gates refuse every entry from now on" in await told(server, "ended")
    assert "inside now: 1" in await told(server, "ended")
    assert await take("ended") == 200
    refused, answer = await enters(server, 2)
    assert (refused, answer["error"]["code"]) == (400, "event_not_open")
    assert "Gates admit from now on" in await told(server, "open")
    assert await take("open") == 200
    assert (await enters(server, 2))[0] == 201
    assert "can’t be taken back" in await told(server, "archived")
    assert await take("archived") == 200
    assert await take("open") == 422
    code, found = await server.api("GET", "/event/transitions", key=server.keys["viewer"])
    assert (code, found["status"], found["transitions"]) == (200, "archived", [])


async def test_a_preview_tells_and_changes_nothing(server: Server) -> None:
    operator = server.keys["operator"]
    _, before = await server.api("GET", "/event", key=operator)
    now_ms = system_clock.now_ms()
    patch = {
        "startDate": format_time(now_ms + 48 * 3_600_000),
        "endDate": format_time(now_ms + 50 * 3_600_000),
        "settings": {"allowMultipleCheckins": True},
    }
    code, found = await server.api("POST", "/event/preview", key=operator, json=patch)
    assert code == 200
    words = " ".join(effect["en"] for effect in found["effects"])
    assert "Now lies outside: gates stop admitting at once" in words
    assert "opens and counts again" in words
    assert await server.api("GET", "/event", key=operator) == (200, before)
    backwards = {"endDate": before["startDate"]}
    code, _ = await server.api("POST", "/event/preview", key=operator, json=backwards)
    assert code == 400
    code, _ = await server.api("POST", "/event/preview", key=server.keys["viewer"], json=patch)
    assert code == 403
