"""The contract of `sync_server.ports.Store`, run on each implementation.

`new_url` makes an empty database of each kind; the suite stays as it is.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, insert, select, update

from shared.errors import TransientError
from sync_server.ports import Store
from sync_server.storage import database as module
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database, announce
from tests.sync_server.builders import populate

ON_EACH_DATABASE = True


@pytest.fixture
def make(new_url: Callable[[str], str]) -> Callable[[], Store]:
    """Opens the test's one store, again after a close."""
    url = new_url("sync")
    return lambda: Database.open(url)


@pytest.fixture
def database(make: Callable[[], Store]) -> Iterator[Store]:
    opened = make()
    opened.write_now(populate)
    yield opened
    opened.close()


def counter(name: str, value: float = 1) -> dict[str, object]:
    return {"scope": "test", "name": name, "value": value}


def names(database: Store) -> list[str]:
    found = select(schema.counters.c.name).order_by(schema.counters.c.name)
    return database.read_now(lambda conn: list(conn.execute(found).scalars()))


async def held_up(database: Store) -> tuple[threading.Event, asyncio.Future[bool]]:
    """The writer is at a job until the event is set: whatever comes meanwhile waits."""
    begun, holding = threading.Event(), threading.Event()

    def job(_conn: object) -> bool:
        begun.set()
        return holding.wait(30)

    first = asyncio.ensure_future(database.write(job))
    assert await asyncio.to_thread(begun.wait, 30)
    return holding, first


def test_p7_a_job_that_raises_leaves_nothing_behind(database):
    def half(conn):
        conn.execute(insert(schema.counters), [counter("half")])
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        database.write_now(half)
    assert names(database) == []


async def test_p6_of_jobs_that_share_a_commit_only_the_bad_one_fails(database):
    holding, first = await held_up(database)

    def write(name):
        def job(conn):
            conn.execute(insert(schema.counters), [counter(name)])
            if name == "bad":
                raise ValueError(name)
            return conn.execute(select(func.count()).select_from(schema.counters)).scalar_one()

        return database.write(job)

    together = [asyncio.ensure_future(write(name)) for name in ("a", "bad", "b", "c")]
    await asyncio.sleep(0.05)
    holding.set()
    results = await asyncio.gather(*together, return_exceptions=True)
    await first
    assert [str(result) for result in results] == ["1", "bad", "2", "3"]
    assert names(database) == ["a", "b", "c"]


async def test_p12_a_full_queue_says_so_at_once(database, monkeypatch):
    holding, first = await held_up(database)
    waiting = [
        asyncio.ensure_future(database.write(lambda _: None))
        for _ in range(module.WRITES_WAITING_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TransientError, match="busy"):
        await database.write(lambda _: None)
    holding.set()
    await asyncio.gather(first, *waiting)


async def test_a_job_whose_caller_went_away_before_it_began_is_not_run(database):
    holding, first = await held_up(database)
    ran = []
    gone = asyncio.ensure_future(database.write(lambda _: ran.append(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    holding.set()
    await first
    database.write_now(lambda _: None)
    assert ran == []


def test_a_reader_sees_one_state_and_cannot_write(database):
    def read_twice(conn):
        before = conn.execute(select(schema.state.c.revision)).scalar_one()
        database.write_now(
            lambda writing: revisions.upsert(
                writing, schema.participants, {"participant_id": "P000001", "status": "blocked"}
            )
        )
        return before, conn.execute(select(schema.state.c.revision)).scalar_one()

    before, after = database.read_now(read_twice)
    assert before == after
    with pytest.raises(TransientError):
        database.read_now(lambda conn: conn.execute(update(schema.state).values(revision=0)))


def test_who_waits_is_called_after_commits_that_change_something(database):
    called = []
    database.on_commit(lambda: called.append(1))
    database.write_now(lambda conn: conn.execute(insert(schema.counters), [counter("a")]))
    assert called == []
    database.write_now(announce)
    assert called == [1]


def test_p2_what_was_written_is_there_after_it_was_closed_and_opened(make):
    first = make()
    first.write_now(populate)
    first.write_now(lambda conn: conn.execute(insert(schema.counters), [counter("kept")]))
    first.close()
    first.close()
    with pytest.raises(TransientError):
        first.read_now(revisions.head)
    again = make()
    assert names(again) == ["kept"]
    again.close()
