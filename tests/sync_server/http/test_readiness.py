"""`/readyz` and `/metrics` tell the truth, to those who may ask (P12)."""

import threading
from pathlib import Path
from typing import Any

import pytest

from sync_server import readiness
from tests.sync_server.http.conftest import Server


async def why_not(server: Server) -> str:
    status, body = await server.call("GET", "/readyz")
    assert status == 503, body
    assert int(server.last.headers["Retry-After"]) >= 1
    return str(body["error"]["code"])


async def test_a_server_that_works_is_ready(server: Server) -> None:
    status, body = await server.call("GET", "/readyz")
    assert (status, body["status"]) == (200, "ready")


async def test_a_writer_that_hangs_is_told_though_reading_works(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "READY_ANSWER_S_MAX", 0.2)
    begun, go_on = threading.Event(), threading.Event()

    def hang(_conn: Any) -> None:
        begun.set()
        go_on.wait(30)

    hanging = server.database._submit(server.database._writes, hang)
    begun.wait(10)
    assert await why_not(server) == "writer_stuck"
    assert (await server.call("GET", "/healthz"))[0] == 200  # the process is alive
    go_on.set()
    hanging.result(10)
    assert (await server.call("GET", "/readyz"))[0] == 200


async def test_a_full_disk_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"bytes": 1_000}
    monkeypatch.setattr(server.services.readiness, "_free_bytes", lambda: free["bytes"])
    assert await why_not(server) == "disk_full"
    free["bytes"] = 10**9
    assert (await server.call("GET", "/readyz"))[0] == 200


def test_the_room_is_that_of_the_data_folder(tmp_path: Path) -> None:
    assert readiness.disk_free(tmp_path)() > 0


async def test_a_server_that_closes_is_told(server: Server) -> None:
    server.services.heads.close()
    assert await why_not(server) == "closing"


async def test_a_database_that_is_gone_is_told(server: Server) -> None:
    server.database.close()
    assert await why_not(server) == "database_gone"


async def test_an_old_backup_is_told_and_no_reason_to_go_elsewhere(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"at": "2026-11-21T09:30:00.000Z", "ageS": 9_000, "overdue": True}
    monkeypatch.setattr(type(server.services.backups), "state", lambda *_: old)
    status, body = await server.call("GET", "/readyz")
    assert (status, body["backup"]) == (200, old)
    _, text = await server.call("GET", "/metrics")
    assert b"gatesync_backup_overdue 1.0" in text
    assert b"gatesync_backup_age_seconds 9000.0" in text


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz"])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_a_proxy_on_this_machine_is_not_this_machine(
    server: Server, path: str, header: str
) -> None:
    headers = {header: "203.0.113.9"}
    assert (await server.call("GET", path))[0] == 200
    assert (await server.call("GET", path, headers=headers))[0] == 401
    key = server.keys["viewer"]
    assert (await server.call("GET", path, headers=headers, key=key))[0] == 200
