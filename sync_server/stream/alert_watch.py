"""Looks at the whole and keeps the alerts true: every few seconds, and when something changes.

It is the handler `alerts` of the stream: a closed gate or a revoked device is looked at as soon as
it is told. What time alone brings (a silent gate, half of the event) only the looks can find.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection

from shared.errors import TransientError
from sync_server.insight import alerts
from sync_server.insight.alert_rules import Alert, Key, Picture, Thresholds, standing
from sync_server.ports import Store
from sync_server.stream.handlers import Envelope
from sync_server.stream.head_watch import wait_until

log = structlog.get_logger("alerts")

LOOK_S = 2.0  # an alert stands on the page at most this long after its cause
LOOK_S_MIN = 0.2  # however much happens


def _no_problem() -> str | None:
    return None


class _Said(NamedTuple):
    """When a device last spoke, how many scans waited then, and how many when it spoke before."""

    seen_ms: int | None
    waiting: int
    before: int


class AlertWatch:
    """One look at a time; a look that fails is said and tried again."""

    name = "alerts"
    types = frozenset({
        "event.changed", "gate.created", "gate.changed", "device.changed", "device.adopted",
        "journal.lost", "journal.mismatch", "resolution.added",
    })  # fmt: skip

    def __init__(
        self, database: Store, limits: Thresholds, now_ms: Callable[[], int],
        mail_problem: Callable[[], str | None] = _no_problem,
    ) -> None:  # fmt: skip
        self._database, self._limits, self._now_ms = database, limits, now_ms
        self._said: dict[str, _Said] = {}
        self._mail_problem = mail_problem
        self._woken = asyncio.Event()

    async def handle(self, envelope: Envelope) -> None:  # noqa: ARG002 - the whole is looked at
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.look_once()
            except TransientError as error:
                log.warning("the alerts were not looked at", why=str(error))
            except Exception:  # a mistake here must not end the server: gates hang on it
                log.exception("the alerts were not looked at")
            await asyncio.sleep(LOOK_S_MIN)
            await wait_until(self._woken, LOOK_S)

    async def look_once(self) -> None:
        now_ms = self._now_ms()
        found = await self._database.read(partial(self._judge, now_ms=now_ms))
        if await self._database.read(lambda conn: alerts.differs(conn, found)):
            await self._database.write(lambda conn: alerts.settle(conn, found, now_ms))

    def _judge(self, conn: Connection, now_ms: int) -> dict[Key, Alert]:
        picture: Picture = alerts.look(conn, now_ms)
        self._said = {
            device["deviceId"]: self._heard(device, picture.last_seen_ms.get(device["deviceId"]))
            for device in picture.devices
        }
        now = {device_id: said.before for device_id, said in self._said.items()}
        return standing(
            replace(picture, waiting_before=now, mail_problem=self._mail_problem()), self._limits
        )

    def _heard(self, device: Mapping[str, Any], seen_ms: int | None) -> _Said:
        """A device speaks less often than we look: what it said once is one point, not many."""
        waiting = device.get("waiting") or 0
        said = self._said.get(device["deviceId"])
        if said is None:
            return _Said(seen_ms, waiting, waiting)
        if seen_ms == said.seen_ms:
            return said
        return _Said(seen_ms, waiting, said.waiting)
