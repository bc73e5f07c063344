"""Many gates waiting for the same news: one reading, and nobody gets an older one."""

import asyncio

import pytest

from shared.errors import TransientError, WireError
from sync_server.storage import revisions, schema
from sync_server.stream.head_watch import HeadWatch
from sync_server.sync.feed import ChangesFeed
from tests.sync_server.builders import gate_row


class Counted:
    """The store, counting what is read; `hold` keeps readings back."""

    def __init__(self, database):
        self.database, self.reads, self.hold = database, 0, None

    async def read(self, job):
        self.reads += 1
        reading = await self.database.read(job)
        if self.hold is not None:
            await self.hold.wait()
        return reading


@pytest.fixture
async def feed(database):
    heads = HeadWatch(asyncio.get_running_loop())
    made = ChangesFeed(Counted(database), heads)
    made.heads = heads
    return made


def rename(database, name):
    database.write_now(
        lambda conn: revisions.upsert(conn, schema.gates, gate_row("north") | {"name": name})
    )


async def test_gates_that_ask_for_the_same_share_one_reading(feed):
    readings = await asyncio.gather(*(feed.page("dev-north", None, 100) for _ in range(50)))
    assert feed._store.reads == 1
    assert all(reading is readings[0] for reading in readings)
    await asyncio.gather(feed.page("dev-north", None, 100), feed.page("dev-north", None, 2))
    assert feed._store.reads == 3


async def test_p7_whom_a_commit_woke_does_not_get_a_reading_from_before_it(feed, database):
    feed._store.hold = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(feed.page("dev-north", None, 1_000))
        await asyncio.sleep(0)
        rename(database, "renamed")
        feed.heads.notify()
        await asyncio.sleep(0)
        after = tasks.create_task(feed.page("dev-north", None, 1_000))
        await asyncio.sleep(0)
        feed._store.hold.set()
    assert b"renamed" in b"".join(after.result().page.lines)
    assert after.result() is not before.result()


async def test_a_reader_that_goes_away_leaves_the_others_their_page(feed):
    feed._store.hold = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(feed.page("dev-north", None, 100))
        await asyncio.sleep(0)
        others = [tasks.create_task(feed.page("dev-north", None, 100)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        feed._store.hold.set()
    assert all(other.result().page.lines for other in others)


async def test_a_cursor_that_is_none_is_named_to_each_who_sent_it(feed):
    said = await asyncio.gather(
        *(feed.page("dev-north", "nonsense", 100) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(error, WireError) for error in said)
    assert not any(isinstance(error, TransientError) for error in said)
