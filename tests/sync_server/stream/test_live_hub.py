"""Many pages, one computation: the same bytes for all, and none is waited for (P12)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from shared.limits import LIVE_BACKLOG_BYTES_MAX
from sync_server.attendance.review import NewResolution, resolve
from sync_server.storage.database import Database
from sync_server.stream import feeds
from sync_server.stream.head_watch import HeadWatch
from sync_server.stream.live_hub import LiveHub
from sync_server.stream.packets import packed
from tests.sync_server.builders import NOW_MS, scan_entry, upload


class Page:
    """A page that keeps every packet, as it came."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.backlog_bytes = 0
        self.dropped = self.ended = False
        self.came = asyncio.Event()

    def write(self, packet: bytes) -> None:
        self.packets.append(packet)
        self.came.set()

    def drop(self) -> None:
        self.dropped = True

    def end(self) -> None:
        self.ended = True

    def told(self, kind: str) -> list[Any]:
        found = [msgspec.json.decode(one) for packet in self.packets for one in unpacked(packet)]
        return [one["data"] for one in found if one["type"] == kind]

    async def until(self, happened: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not happened():
                self.came.clear()
                await self.came.wait()


def unpacked(packet: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packet):
        assert packet[at] == 0x81
        length, at = packet[at + 1], at + 2
        more = {126: 2, 127: 8}.get(length, 0)
        if more:
            length, at = int.from_bytes(packet[at : at + more], "big"), at + more
        yield packet[at : at + length]
        at += length


class Counting:
    """The database, with what was read of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads: list[str] = []

    async def read(self, job: Callable[[Connection], Any]) -> Any:
        self.reads.append(type(job.__self__).__name__)  # type: ignore[attr-defined]
        return await self._database.read(job)


@asynccontextmanager
async def hub_on(database: Database) -> AsyncIterator[tuple[LiveHub, Counting]]:
    heads = HeadWatch(asyncio.get_running_loop())
    database.on_commit(heads.notify)
    store = Counting(database)
    hub = LiveHub(store, heads, lambda: NOW_MS)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hub.run())
        yield hub, store
        running.cancel()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_messages_are_packed_as_the_rfc_says(length: int) -> None:
    content = b"x" * length
    assert list(unpacked(packed([content, b"{}"]))) == [content, b"{}"]


async def test_p12_five_hundred_pages_are_one_computation_and_the_same_bytes(
    database: Database,
) -> None:
    async with hub_on(database) as (hub, store):
        pages = [Page() for _ in range(500)]
        async with asyncio.TaskGroup() as tasks:
            for page in pages:
                tasks.create_task(hub.join(page))
        assert hub.watching == 500
        assert len(store.reads) <= 2 * 7, "the picture is read once, and once by each feed"
        for seq in range(1, 6):
            await asyncio.to_thread(upload, database, [scan_entry(seq)])
        await pages[-1].until(lambda: len(pages[-1].told(feeds.SCAN)) == 5)
        await pages[-1].until(
            lambda: pages[-1].told(feeds.STATS)[-1]["overall"]["attendedParticipants"] == 5
        )
        assert len(store.reads) < 60
        last = pages[-1].packets  # what came before all had come aside
        for page in pages:
            for ours, theirs in zip(page.packets[:0:-1], last[:0:-1], strict=False):
                assert ours is theirs


async def test_who_comes_later_is_told_all_that_those_before_know(database: Database) -> None:
    async with hub_on(database) as (hub, store):
        early, late = Page(), Page()
        await hub.join(early)
        await asyncio.to_thread(
            upload, database, [scan_entry(1, person=1), scan_entry(2, person=1), scan_entry(3)]
        )
        await early.until(lambda: early.told(feeds.CONFLICTS)[-1]["open"])
        await early.until(lambda: len(early.told(feeds.ARRIVALS)[-1]["slots"]) > 0)
        await early.until(lambda: early.told(feeds.STATS)[-1]["overall"]["conflicts"] == 1)
        before = len(store.reads)
        await hub.join(late)
        assert len(store.reads) == before, "from memory"
        assert {one["scanId"] for one in late.told(feeds.SCAN)} == {"scan-1", "scan-2", "scan-3"}
        (conflicts,) = late.told(feeds.CONFLICTS)
        (conflict,) = conflicts["open"]
        assert conflict["against"]["scanId"] == "scan-1"
        assert late.told(feeds.STATS)[-1]["overall"]["conflicts"] == 1
        assert {gate["gateId"] for gate in late.told(feeds.GATE)} == {"north", "south", "vip"}
        (curve,) = late.told(feeds.ARRIVALS)
        assert sum(people for _, people, _ in curve["slots"]) == 2
        assert len(late.told(feeds.FORECAST)) == 1

        word = NewResolution("r1", conflict["scanId"], "void", "op", "a twin", NOW_MS + 1)
        await database.write(lambda conn: resolve(conn, word))
        await late.until(lambda: late.told(feeds.CONFLICTS)[-1]["decided"])
        (decided,) = late.told(feeds.CONFLICTS)[-1]["decided"]
        assert decided["verdict"] == "voided"
        assert decided["resolution"]["reason"] == "a twin"
        assert late.told(feeds.CONFLICTS)[-1]["open"] == []


async def test_p12_a_page_that_does_not_keep_up_is_cut_and_hinders_none(database: Database) -> None:
    async with hub_on(database) as (hub, _):
        slow, good = Page(), Page()
        await hub.join(slow)
        await hub.join(good)
        slow.backlog_bytes = LIVE_BACKLOG_BYTES_MAX + 1
        await asyncio.to_thread(upload, database, [scan_entry(1)])
        await good.until(lambda: good.told(feeds.SCAN))
        assert slow.dropped
        assert not slow.told(feeds.SCAN)
        assert hub.watching == 1


async def test_nothing_is_read_while_nobody_watches(database: Database) -> None:
    async with hub_on(database) as (hub, store):
        page = Page()
        await hub.join(page)
        await page.until(lambda: page.told(feeds.STATS))
        hub.leave(page)
        await asyncio.to_thread(upload, database, [scan_entry(1)])
        again = Page()
        await hub.join(again)  # and what happened meanwhile is told
        assert again.told(feeds.STATS)[-1]["overall"]["attendedParticipants"] == 1
        assert [one["scanId"] for one in again.told(feeds.SCAN)] == ["scan-1"]
        assert store.reads


def test_of_many_gates_only_those_that_moved_are_told_anew() -> None:
    figures = feeds.Figures(lambda: NOW_MS)

    def found(**passed: int) -> dict[str, Any]:
        gates = [{"gateId": f"g{n}", "totalProcessed": passed.get(f"g{n}", 0)} for n in range(200)]
        return {"overall": {}, "gates": gates, "event": {}}

    (whole,) = figures.apply(found())
    assert len(msgspec.json.decode(whole)["data"]["gates"]) == 200
    (moved,) = figures.apply(found(g7=1))
    data = msgspec.json.decode(moved)["data"]
    assert (data["partial"], data["gates"]) == (True, [{"gateId": "g7", "totalProcessed": 1}])
    (told,) = figures.whole()
    assert len(msgspec.json.decode(told)["data"]["gates"]) == 200
