"""What happens, to everybody who watches: computed once, sent to all (API §2 `/live`)."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from shared.errors import TransientError
from shared.limits import LIVE_QUEUE_FRAMES_MAX
from shared.wire import format_time
from sync_server.insight import alerts, stats
from sync_server.ports import Store
from sync_server.stream import tail
from sync_server.stream.head_watch import HeadWatch, wait_until

T = TypeVar("T")

SCAN, GATE = "scan.merged", "gate.status"
PASSED_ON = frozenset({SCAN, alerts.RAISED, alerts.CLEARED})
FIGURES_INTERVAL_S = 0.25  # at most four times a second, however many scans arrive
FIGURES_IDLE_S = 30.0  # loads fall and trends turn without a scan
GATES_INTERVAL_S = 5.0
AWAY_S = 1.0
SCANS_INTERVAL_S = 0.05
SCANS_PER_READ_MAX = 100  # of a backlog only the newest: the figures tell the rest
SCANS_ON_CONNECT = 20
ALERTS_ON_CONNECT = 50


class Watcher:
    """One socket's frames; one that does not keep up is closed, never buffered without bound."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue(LIVE_QUEUE_FRAMES_MAX)
        self.dropped = False

    def push(self, frame: bytes) -> bool:
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.dropped = True
            return False
        return True


class LiveHub:
    """Reads the outbox's tail after each commit and passes it on; idle while nobody watches."""

    def __init__(self, database: Store, heads: HeadWatch, now_ms: Callable[[], int]) -> None:
        self._database, self._heads, self._now_ms = database, heads, now_ms
        self._watchers: set[Watcher] = set()
        self._arrived = asyncio.Event()
        self._gate_news = asyncio.Event()
        self._read_through = 0

    @property
    def watching(self) -> int:
        return len(self._watchers)

    async def join(self) -> Watcher:
        """A new watcher, already given the whole picture as it is now."""
        watcher = Watcher()
        now_ms = self._now_ms()
        figures = await self._database.read(partial(stats.figures, now_ms=now_ms))
        devices = await self._database.read(partial(tail.device_states, now_ms=now_ms))
        through, scans = await self._database.read(
            lambda conn: tail.last_scans(conn, SCANS_ON_CONNECT)
        )
        standing = await self._database.read(
            lambda conn: alerts.page(conn, standing_only=True, before=None, limit=ALERTS_ON_CONNECT)
        )
        if not self._watchers:
            self._read_through = through
        self._watchers.add(watcher)
        watcher.push(frame("stats.updated", figures, now_ms))
        for device in devices:
            watcher.push(frame(GATE, device, now_ms))
        for alert in reversed(standing["items"]):
            watcher.push(frame(alerts.RAISED, alert, now_ms))
        for row in scans:
            watcher.push(frame(row.type, row.data, row.at_ms))
        self._arrived.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    async def run(self) -> None:
        """Passes on what is committed, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_scans())
            tasks.create_task(self._tell_figures())
            tasks.create_task(self._tell_gates())

    def gate_news(self) -> None:
        """A device has said something of itself."""
        self._gate_news.set()

    async def close(self) -> None:
        for watcher in list(self._watchers):
            while watcher.frames.full():
                watcher.frames.get_nowait()
            watcher.frames.put_nowait(None)

    async def _pass_scans(self) -> None:
        while True:
            await self._somebody()
            moved = self._heads.moved()
            rows = await self._read(self._unread)
            if rows:
                self._read_through = rows[-1].outbox_id
            self._send(
                frame(row.type, row.data, row.at_ms) for row in rows if row.type in PASSED_ON
            )
            if any(row.type == GATE for row in rows):
                self._gate_news.set()
            await asyncio.sleep(SCANS_INTERVAL_S)
            await moved.wait()

    async def _tell_figures(self) -> None:
        while True:
            await self._somebody()
            moved = self._heads.moved()
            now_ms = self._now_ms()
            figures = await self._read(partial(stats.figures, now_ms=now_ms))
            self._send([frame("stats.updated", figures, now_ms)])
            await asyncio.sleep(FIGURES_INTERVAL_S)
            await wait_until(moved, FIGURES_IDLE_S)

    async def _tell_gates(self) -> None:
        while True:
            await self._somebody()
            self._gate_news.clear()
            now_ms = self._now_ms()
            devices = await self._read(partial(tail.device_states, now_ms=now_ms))
            self._send(frame(GATE, device, now_ms) for device in devices)
            await asyncio.sleep(FIGURES_INTERVAL_S)
            await wait_until(self._gate_news, GATES_INTERVAL_S)

    def _unread(self, conn: Connection) -> list[tail.OutboxRow]:
        rows = tail.rows_after(conn, self._read_through, SCANS_PER_READ_MAX)
        if len(rows) < SCANS_PER_READ_MAX:
            return rows
        # Scans of a backlog may be left out, an alert not.
        return tail.alerts_between(conn, self._read_through, rows[0].outbox_id) + rows

    async def _read(self, job: Callable[[Connection], T]) -> T:
        """A database that is away for a while ends nothing: whoever watches sees it come back."""
        while True:
            try:
                return await self._database.read(job)
            except TransientError:
                await asyncio.sleep(AWAY_S)

    async def _somebody(self) -> None:
        while not self._watchers:
            self._arrived.clear()
            await self._arrived.wait()

    def _send(self, frames: Iterable[bytes]) -> None:
        for content in frames:
            for watcher in list(self._watchers):
                if not watcher.push(content):
                    self.leave(watcher)


def frame(kind: str, data: Any, at_ms: int) -> bytes:
    return msgspec.json.encode({"type": kind, "data": data, "at": format_time(at_ms)})
