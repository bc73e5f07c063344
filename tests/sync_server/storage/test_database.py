"""The storage port: durable, whole, bounded, one writer."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from shared.errors import NewerDataError, PermanentError, TransientError, UsageError
from sync_server.storage import database as module
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database, announce
from tests.sync_server.builders import GENERATION


def counter(name: str, value: float = 1) -> dict[str, object]:
    return {"scope": "test", "name": name, "value": value}


def names(database: Database) -> list[str]:
    found = select(schema.counters.c.name).order_by(schema.counters.c.name)
    return database.read_now(lambda conn: list(conn.execute(found).scalars()))


def test_p2_a_write_is_durable_when_it_returns(database, tmp_path):
    database.write_now(lambda conn: conn.execute(insert(schema.counters), [counter("a")]))
    with sqlite3.connect(tmp_path / "sync.db") as other:
        assert other.execute("SELECT name FROM counters").fetchall() == [("a",)]
    pragmas = database.write_now(
        lambda conn: [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert pragmas == ["wal", 2, 1]


def test_p7_a_job_that_raises_leaves_nothing_behind(database):
    def half(conn):
        conn.execute(insert(schema.counters), [counter("half")])
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        database.write_now(half)
    assert names(database) == []


async def test_p6_of_jobs_that_share_a_commit_only_the_bad_one_fails(database):
    holding = threading.Event()
    first = asyncio.ensure_future(database.write(lambda _: holding.wait(10)))
    await asyncio.sleep(0.05)  # the writer holds the first: the rest wait together

    def write(name):
        def job(conn):
            conn.execute(insert(schema.counters), [counter(name)])
            if name == "bad":
                raise ValueError(name)
            return conn.exec_driver_sql("SELECT count(*) FROM counters").scalar_one()

        return database.write(job)

    together = [asyncio.ensure_future(write(name)) for name in ("a", "bad", "b", "c")]
    await asyncio.sleep(0.05)
    holding.set()
    results = await asyncio.gather(*together, return_exceptions=True)
    await first
    assert [str(result) for result in results] == ["1", "bad", "2", "3"]
    assert names(database) == ["a", "b", "c"]


async def test_p12_a_full_queue_says_so_at_once(database, monkeypatch):
    holding = threading.Event()
    first = asyncio.ensure_future(database.write(lambda _: holding.wait(10)))
    await asyncio.sleep(0.05)
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
    holding = threading.Event()
    first = asyncio.ensure_future(database.write(lambda _: holding.wait(10)))
    await asyncio.sleep(0.05)
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
    with pytest.raises(TransientError, match="readonly"):
        database.read_now(lambda conn: conn.execute(update(schema.state).values(revision=0)))


def test_who_waits_is_called_after_commits_that_change_something(database):
    called = []
    database.on_commit(lambda: called.append(1))
    database.write_now(lambda conn: conn.execute(insert(schema.counters), [counter("a")]))
    assert called == []
    database.write_now(announce)
    assert called == [1]


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "sync.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerDataError, match="schema 99"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a database" * 100, b"x" * 600])
def test_what_is_no_database_is_named(tmp_path, content):
    (tmp_path / "sync.db").write_bytes(content)
    with pytest.raises(UsageError, match=r"sync\.db cannot be opened"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_another_programs_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "sync.db") as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(UsageError, match="another program"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        Database.open(f"sqlite:///{tmp_path}/nowhere/sync.db")


def test_one_writing_connection_a_file(database, tmp_path):
    with pytest.raises(PermanentError, match="open already"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_a_closed_database_refuses_and_opens_again(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/sync.db"
    database = Database.open(url)
    database.write_now(lambda conn: revisions.initialise(conn, GENERATION))
    database.close()
    database.close()
    with pytest.raises(TransientError, match="shutting down"):
        database.read_now(revisions.head)
    again = Database.open(url)
    assert again.read_now(revisions.head) == (GENERATION, 0)
    again.close()
