"""A room with badges around a gate: a mock BlueZ on a thread of its own, for tests of processes."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.bluez.mock_bluez import MockBluez, PrivateBus

_PERIOD_S = 0.1


class Badge(NamedTuple):
    """Each function is asked at each advertisement."""

    rssi: int
    manufacturer: Callable[[], Mapping[int, bytes] | None] = lambda: None
    service: Callable[[], Mapping[str, bytes] | None] = lambda: None


class Room:
    """`badges` by address, ten advertisements a second; put in, taken out, as a test likes."""

    def __init__(self, folder: Path) -> None:
        self._bus = PrivateBus(folder)
        self.address = self._bus.address
        self.bluez = MockBluez(self.address)
        self.badges: dict[str, Badge] = {}
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    async def _live(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        await self._bus.start()
        await self.bluez.start()
        self._ready.set_result(None)
        try:
            while True:
                for sender, badge in list(self.badges.items()):
                    self.bluez.advertise(sender, badge.rssi, badge.manufacturer(), badge.service())
                await asyncio.sleep(_PERIOD_S)
        except asyncio.CancelledError:
            await self.bluez.stop()
            await self._bus.stop()

    def start(self) -> None:
        self._thread.start()
        self._ready.result(10)

    def stop(self) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    made = Room(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()
