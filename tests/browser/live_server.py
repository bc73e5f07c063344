"""A server for tests of the organisers' pages: real, with what gates would send put in by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from shared.wire import ClockStatus, StatusRequest
from sync_server import system_clock
from sync_server.bootstrap import listening
from sync_server.config import Config
from sync_server.identity.key_files import make_keys
from sync_server.identity.people import create_owner, hash_password
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder
from sync_server.sync.ingest import ingest
from sync_server.sync.status import store_status
from tests.sync_server.builders import (
    EPOCH,
    UploadRequest,
    device_row,
    event_row,
    gate_row,
    populate,
    scan_entry,
)

PASSWORD = "a long enough password"
NAMES = {"north": "Main entrance", "south": "South door", "vip": "VIP lounge"}


class Server:
    """One enrolled gate and an owner."""

    def __init__(self, folder: DataFolder, database: Database, url: str) -> None:
        self.folder, self.database, self.url = folder, database, url

    async def scan(self, seq: int, person: int, **changes: Any) -> None:
        device_id = changes.pop("device_id", "dev-north")
        entry = scan_entry(seq, person, **changes)
        request = UploadRequest(device_id=device_id, epoch=EPOCH, entries=[entry])
        now_ms = system_clock.now_ms()
        await self.database.write(lambda conn: ingest(conn, device_id, request, now_ms))

    async def status(
        self,
        device_id: str = "dev-north",
        *,
        waiting: int = 0,
        quality: str = "synced",
        ago_ms: int = 0,
        **more: Any,
    ) -> None:
        clock = ClockStatus(quality=quality, offset_ms=3, error_ms=12)

        def job(conn: Any) -> None:
            generation, head = revisions.head(conn)
            said = StatusRequest(
                epoch=EPOCH,
                head=0,
                waiting=waiting,
                clock=clock,
                cursor=f"{generation}.{head}",
                **more,
            )
            store_status(conn, device_id, said, system_clock.now_ms() - ago_ms)

        await self.database.write(job)


def fill(conn: Any) -> None:
    populate(conn, people=10)
    revisions.upsert(conn, schema.events, event_row(name="Tech Conference 2024"))
    for gate_id, name in NAMES.items():
        revisions.upsert(conn, schema.gates, gate_row(gate_id, name=name))
    revisions.upsert(conn, schema.devices, device_row("dev-north", "north", public_key="A" * 43))
    create_owner(conn, "admin", hash_password(PASSWORD))


@asynccontextmanager
async def server_in(
    path: Path, port: int = 0, filled: Callable[[Any], None] = fill, **settings: Any
) -> AsyncIterator[Server]:
    """Serves the folder's database; the second time on the same data."""
    folder = DataFolder(path)
    make_keys(folder)
    fresh = not folder.database.exists()
    database = Database.open(folder.database_url)
    try:
        if fresh:
            database.write_now(filled)
        async with listening(database, folder, Config(port=port, **settings)) as services:
            yield Server(folder, database, services.listening_url)
    finally:
        database.close()


async def sign_in(page: Page, server: Server, name: str = "admin", path: str = "/") -> None:
    await page.goto(server.url + path)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#connection")).to_have_text("● Live")
