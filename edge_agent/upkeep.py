"""What a gate looks after while nobody asks: its two files and its disk, once a second."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from edge_agent import system_clock
from edge_agent.parts import GateParts

log = structlog.get_logger(__name__)

LOOK_S = 1.0
CHECK_S = 3_600.0  # every page of the list is read through this often
PROBE_S = 60.0  # an idle gate tries a durable write: 4 KiB a minute
PROBE_FAULT_S = 5.0  # one that can't write tries sooner, so that it comes back by itself

OnLane = Callable[[Callable[[], Any]], Awaitable[Any]]


class Upkeep:
    """Runs beside the lane; what writes the journal runs on its thread."""

    def __init__(self, parts: GateParts, on_lane: OnLane) -> None:
        self._parts = parts
        self._on_lane = on_lane
        self._checked_s = -CHECK_S
        self._probed_s = system_clock.monotonic_s()
        self._decided = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.to_thread(self._parts.disk.keep_reserve)
            await self._see_to_list()
            await self._try_disk()
            await asyncio.sleep(LOOK_S)

    async def _see_to_list(self) -> None:
        replica = self._parts.replica
        if system_clock.monotonic_s() - self._checked_s >= CHECK_S:
            self._checked_s = system_clock.monotonic_s()
            await asyncio.to_thread(replica.check)
        try:
            renewed = await asyncio.to_thread(replica.look)
        except (sqlite3.Error, OSError) as error:
            log.warning("replica_not_renewed", error=str(error))
            return
        if renewed:
            await self._on_lane(self._parts.lane.facts.refresh)

    async def _try_disk(self) -> None:
        """Nobody should have to stand at the gate for it to find that it can't write."""
        health, now_s = self._parts.lane.health, system_clock.monotonic_s()
        if health.decisions != self._decided and not health.fault:
            self._decided, self._probed_s = health.decisions, now_s
        if now_s - self._probed_s >= (PROBE_FAULT_S if health.fault else PROBE_S):
            self._probed_s = now_s
            await self._on_lane(self._parts.lane.try_disk)
