"""What happens, to everybody who watches: computed once, sent to all (API §2 `/live`).

Each feed (`feeds.py`) is read for all pages together, and what it says is made into bytes once. A
page that comes is told the whole picture from memory; while nobody watches nothing is read at all.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from shared.errors import TransientError
from shared.limits import LIVE_BACKLOG_BYTES_MAX
from sync_server.ports import Store
from sync_server.stream.feeds import Feed, Happenings, all_feeds
from sync_server.stream.head_watch import HeadWatch, wait_until
from sync_server.stream.packets import packed

AWAY_S = 1.0


class Line(Protocol):
    """One page's connection. Nothing here waits: what can't be sent at once stays with it."""

    def write(self, packet: bytes) -> None: ...

    @property
    def backlog_bytes(self) -> int:
        """What it has not taken yet."""

    def drop(self) -> None:
        """It does not keep up: it is cut, and the page connects again."""

    def end(self) -> None:
        """The server goes away."""


class LiveHub:
    """Passes on what is committed; idle while nobody watches."""

    def __init__(
        self,
        database: Store,
        heads: HeadWatch,
        now_ms: Callable[[], int],
        share_before: float | None = None,
    ) -> None:
        self._database, self._heads = database, heads
        self._lines: set[Line] = set()
        self._gate_news = asyncio.Event()
        self._arrived = asyncio.Event()
        self._coming = asyncio.Lock()
        self._whole: bytes | None = None  # for those who come, until something changes
        self._feeds = tuple(all_feeds(now_ms, share_before, self.gate_news))

    @property
    def watching(self) -> int:
        return len(self._lines)

    async def join(self, line: Line) -> None:
        """A new page: it is told the whole picture, and from then on what changes."""
        async with self._coming:  # those who come together wait for one reading
            if not self._lines:
                await self._read_whole()
            # Nothing is awaited from here on, so that no change falls between.
            if self._whole is None:
                self._whole = packed(told for feed in self._feeds for told in feed.whole())
            line.write(self._whole)
            self._lines.add(line)
            self._arrived.set()

    def leave(self, line: Line) -> None:
        self._lines.discard(line)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for feed in self._feeds:
                tasks.create_task(self._follow(feed))

    def gate_news(self) -> None:
        """A device has said something of itself."""
        self._gate_news.set()

    async def close(self) -> None:
        for line in list(self._lines):
            line.end()

    async def _read_whole(self) -> None:
        for feed in self._feeds:
            if isinstance(feed, Happenings):
                feed.forget()
            feed.apply(await self._database.read(feed.read))
        self._whole = None

    async def _follow(self, feed: Feed) -> None:
        while True:
            while not self._lines:
                self._arrived.clear()
                await self._arrived.wait()
            moved = self._gate_news if feed.of_gates else self._heads.moved()
            if feed.of_gates:
                self._gate_news.clear()
            self._send(feed.apply(await self._read(feed)))
            await asyncio.sleep(feed.interval_s)
            await wait_until(moved, feed.idle_s)

    async def _read(self, feed: Feed) -> Any:
        """A database that is away for a while ends nothing: whoever watches sees it come back."""
        while True:
            try:
                return await self._database.read(feed.read)
            except TransientError:
                await asyncio.sleep(AWAY_S)

    def _send(self, messages: Iterable[bytes]) -> None:
        packet = packed(messages)
        if not packet:
            return
        self._whole = None
        for line in list(self._lines):
            if line.backlog_bytes > LIVE_BACKLOG_BYTES_MAX:
                self.leave(line)
                line.drop()
            else:
                line.write(packet)
