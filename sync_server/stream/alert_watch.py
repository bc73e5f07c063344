"""Looks at the whole every few seconds and keeps the alerts true."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from shared.errors import TransientError
from sync_server.insight import alerts
from sync_server.insight.alert_rules import Alert, Key, Picture, Thresholds, standing
from sync_server.ports import Store

log = structlog.get_logger("alerts")

LOOK_S = 2.0  # an alert stands on the page at most this long after its cause


class AlertWatch:
    """One look at a time; a look that fails is said and tried again."""

    def __init__(self, database: Store, limits: Thresholds, now_ms: Callable[[], int]) -> None:
        self._database, self._limits, self._now_ms = database, limits, now_ms
        self._waiting: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look_once()
            except TransientError as error:
                log.warning("the alerts were not looked at", why=str(error))
            except Exception:  # a mistake here must not end the server: gates hang on it
                log.exception("the alerts were not looked at")
            await asyncio.sleep(LOOK_S)

    async def look_once(self) -> None:
        now_ms = self._now_ms()
        found = await self._database.read(partial(self._judge, now_ms=now_ms))
        if await self._database.read(lambda conn: alerts.differs(conn, found)):
            await self._database.write(lambda conn: alerts.settle(conn, found, now_ms))

    def _judge(self, conn: Connection, now_ms: int) -> dict[Key, Alert]:
        picture: Picture = alerts.look(conn, now_ms, self._waiting)
        self._waiting = {d["deviceId"]: d.get("waiting") or 0 for d in picture.devices}
        return standing(picture, self._limits)
