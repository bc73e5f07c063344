"""A mail room over a data folder of its own, for tests with a real mail server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sync_server import system_clock
from sync_server.config import Config
from sync_server.deployment import Deployment
from sync_server.mail import choosing, queue
from sync_server.mail.choosing import Chosen, Progress, Sums
from sync_server.mail.sender import MailRoom
from sync_server.mail.settings import mail_settings
from tests.smtp import MailServer

WAIT_S = 90
ALL = Chosen()
OPEN = {"queued", "sending"}


class Room:
    """Shortcuts over what the routes do."""

    def __init__(self, made: Deployment, smtp: MailServer, **settings: Any) -> None:
        self.made, self.smtp = made, smtp
        self.config = Config(**smtp.settings(**settings))
        self.mail = self._open()

    def _open(self) -> MailRoom:
        return MailRoom(
            self.made.database, self.made.vault, mail_settings(self.config), system_clock.now_ms,
            system_clock.monotonic_s,
        )  # fmt: skip

    def choose(self, chosen: Chosen = ALL) -> Sums:
        now_ms = system_clock.now_ms()
        progress = Progress()
        while progress.after is not None:
            before = progress
            progress = self.made.database.write_now(
                lambda conn, at=before: choosing.step(conn, chosen, at, now_ms, dry_run=False)
            )
        return progress.sums

    def rows(self) -> dict[str, dict[str, Any]]:
        """By participant; the newest mail of each."""
        found, _ = self.made.database.read_now(
            lambda conn: queue.page(
                conn, state=None, kind=None, participant_id=None, before=None, limit=1_000
            )
        )
        return {row["participant_id"] or row["key"]: dict(row) for row in reversed(found)}

    def states(self) -> dict[str, str]:
        return {person: row["state"] for person, row in sorted(self.rows().items())}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.mail = self._open()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.mail.run())
            try:
                yield
            finally:
                await self.mail.finish()
                task.cancel()

    async def until_done(self) -> None:
        """Every mail has come to an end."""
        async with asyncio.timeout(WAIT_S):
            while OPEN & set(self.states().values()):
                await asyncio.sleep(0.05)

    async def send_all(self) -> dict[str, str]:
        async with self.running():
            await self.until_done()
        return self.states()
