"""Joins what stands around the barrier: what it reports, the lights, and the watchdog's beat."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from edge_agent.config_hardware import HardwareConfig
from edge_agent.hardware.gpio import GpioGate
from edge_agent.hardware.pulses import Event
from edge_agent.hardware.watchdog import Watchdog
from edge_agent.kiosk.screens import screen_for
from edge_agent.parts import GateParts
from edge_agent.ports import Outcome
from shared.errors import GatesyncError

log = structlog.get_logger(__name__)
OnLane = Callable[[Callable[[], Any]], Awaitable[Any]]

NOTES = {
    "not_moved": "barrier_did_not_move",
    "held_open": "barrier_held_open",
    "forced": "barrier_forced",
    "closed_again": "barrier_closed_again",
    "failed": "barrier_failed",
}
FAULTS = {
    "not_moved": "it did not move after an admission",
    "held_open": "it has been open for long",
    "forced": "it was opened by force",
    "failed": "its pins can't be driven",
}
_EVENTS_WAITING_MAX = 100


class Doorman:
    """`changed` tells the page; `wake` the uplink, since notes go up like scans."""

    def __init__(
        self,
        parts: GateParts,
        config: HardwareConfig,
        *,
        on_lane: OnLane,
        wake: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._on_lane = on_lane
        self._wake = wake
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue(_EVENTS_WAITING_MAX)
        self._watchdog = Watchdog(os.environ, config.watchdog_device)
        if isinstance(parts.barrier, GpioGate):
            parts.barrier.on_event = self._from_thread
        parts.lane.on_outcome.append(self._decided)

    def ready(self) -> None:
        self._watchdog.ready()

    def stopping(self) -> None:
        self._watchdog.stopping()

    async def beat(self) -> None:
        """The heart: a turn on the lane's thread, then the dogs are fed. A lane that hangs feeds
        nobody.
        """
        while True:
            await self._on_lane(lambda: None)
            self._watchdog.beat()
            fault = self._parts.lane.health.fault
            self._parts.indicator.out_of_order(now=bool(fault))
            await asyncio.sleep(self._watchdog.beat_s)

    async def take_events(self) -> None:
        while True:
            event = await self._events.get()
            self._judge(event)
            note = NOTES.get(event.kind)
            if note is not None:
                data = {} if event.scan_id is None else {"scanId": event.scan_id}
                try:
                    await self._on_lane(partial(self._parts.lane.note, note, data))
                except GatesyncError as error:
                    log.warning("note_not_written", note=note, error=str(error))
                self._wake()
            self._changed()

    def _judge(self, event: Event) -> None:
        health = self._parts.lane.health
        if event.kind in ("moved", "closed_again"):
            health.barrier_fault = ""
        elif event.kind in FAULTS:
            health.barrier_fault = f"barrier: {FAULTS[event.kind]}"
            log.warning("barrier", said=event.kind, scan_id=event.scan_id)

    def _from_thread(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Event) -> None:
        if not self._events.full():
            self._events.put_nowait(event)

    def _decided(self, outcome: Outcome) -> None:
        look = screen_for(
            admitted=outcome.decision.admitted,
            reason=outcome.decision.reason,
            direction=outcome.direction,
        ).look
        self._parts.indicator.show(look.kind, look.sound, look.seconds)
