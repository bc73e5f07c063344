"""A participant's wish for the kiosk's language, over HTTP, and down to a gate that was there before."""

import asyncio
from typing import Any

import msgspec
import pytest

from shared import wire
from tests.sync_server.builders import participant_row
from tests.sync_server.http import conftest
from tests.sync_server.http.conftest import NewServer, Server


async def lines(server: Server, token: str) -> dict[str, wire.ParticipantLine]:
    _, feed = await server.api("GET", "/sync/changes", key=token)
    found = [msgspec.json.decode(line, type=wire.AnyLine) for line in feed.splitlines()]
    return {one.participant_id: one for one in found if isinstance(one, wire.ParticipantLine)}


async def test_it_is_set_changed_and_taken_back(server: Server) -> None:
    device = await server.enrol()
    operator: Any = server.keys["operator"]
    body = {"id": "L1", "name": "Ann Lee", "email": "ann@example.com", "language": "en"}
    status, made = await server.api("POST", "/participants", json=body, key=operator)
    assert (status, made["language"]) == (201, "en")
    assert (await lines(server, device.token))["L1"].language == "en"
    for wish in ("ko", None):
        change = {"language": wish}
        status, row = await server.api("PATCH", "/participants/L1", json=change, key=operator)
        assert (status, row["language"]) == (200, wish)
        assert (await lines(server, device.token))["L1"].language == wish


@pytest.mark.parametrize("wish", ["", "KO", "fr", 1, ["ko"]])
async def test_what_no_kiosk_speaks_is_refused(server: Server, wish: Any) -> None:
    answer = await server.api(
        "PATCH", "/participants/P000001", json={"language": wish}, key=server.keys["operator"]
    )
    assert answer[0] == 400


async def test_a_server_that_starts_makes_the_marks_of_earlier_rows(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADR 19: found at the gates without an import or a change of theirs."""
    monkeypatch.setattr(conftest, "participant_row", lambda n: participant_row(n, find=None))
    server = await new_server(3)
    device = await server.enrol()
    async with asyncio.timeout(30):
        while True:
            moved = server.services.heads.moved()
            rows = await lines(server, device.token)
            if all(one.find for one in rows.values()):
                break
            await moved.wait()
    assert len(rows) == 3
