"""What is PostgreSQL's own of the store: several writers, retries, a server that goes away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import event, select, text

from shared.errors import TransientError
from sync_server.storage import link as link_module
from sync_server.storage import revisions, schema
from sync_server.storage.connections import make_engine, parse_url
from sync_server.storage.database import Database
from sync_server.storage.link import Link
from sync_server.verify import verify
from tests.postgres import Cluster
from tests.sync_server.builders import (
    DEVICES,
    EPOCH,
    participant_row,
    populate,
    scan_entry,
    upload,
)

WRITERS, ROWS_EACH = 4, 25


@pytest.fixture
def url(postgres_cluster: Cluster) -> Iterator[str]:
    lent = postgres_cluster.lend()
    yield lent
    postgres_cluster.take_back(lent)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database.open(url)
    made.write_now(populate)
    yield made
    made.close()


def test_p7_revisions_are_in_commit_order_however_many_write(database, url):
    """A reader that follows the head skips no row, though four stores write at once (DESIGN §5)."""
    followed: dict[str, int] = {}
    ended = threading.Event()

    def follow() -> None:
        head = 0
        while True:
            last = ended.is_set()
            rows = database.read_now(
                lambda conn, after=head: conn.execute(
                    select(schema.participants.c.participant_id, schema.participants.c.revision)
                    .where(schema.participants.c.revision > after)
                    .order_by(schema.participants.c.revision)
                ).all()
            )
            for row in rows:
                followed[row.participant_id] = row.revision
            head = max([head, *(row.revision for row in rows)])
            if last:
                return

    def write(writer: int) -> None:
        store = Database.open(url)
        try:
            for number in range(ROWS_EACH):
                row = participant_row(1_000 + writer * ROWS_EACH + number)
                store.write_now(
                    lambda conn, row=row: revisions.upsert(conn, schema.participants, row)
                )
        finally:
            store.close()

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        following = pool.submit(follow)
        for writing in [pool.submit(write, writer) for writer in range(WRITERS)]:
            writing.result()
        ended.set()
        following.result()
    held = database.read_now(
        lambda conn: dict(
            conn.execute(
                select(schema.participants.c.participant_id, schema.participants.c.revision)
            ).all()
        )
    )
    assert followed == held
    assert len(set(held.values())) == len(held)
    assert database.read_now(verify) == []


def test_p3_two_servers_of_one_database_fold_one_state(database, url):
    """Both gates upload everybody's scan at once, each to a server of its own."""
    other = Database.open(url)
    people = range(15)

    def send(store: Database, device: str, gate: str) -> None:
        for person in people:
            scan = scan_entry(person + 1, person, gateId=gate, scanId=f"{device}-{person}")
            upload(store, [scan], device)

    with ThreadPoolExecutor(2) as pool:
        sending = [
            pool.submit(send, store, device, gate)
            for store, device, gate in zip(
                (database, other), DEVICES, ("north", "south"), strict=True
            )
        ]
        for one in sending:
            one.result()
    other.close()
    assert database.read_now(verify) == []
    found = database.read_now(
        lambda conn: conn.execute(select(schema.scans.c.verdict, schema.scans.c.epoch)).all()
    )
    assert sorted(row.verdict for row in found) == ["confirmed"] * 15 + ["conflict"] * 15
    assert {row.epoch for row in found} == {EPOCH}


def run_twice_at_first(error: str) -> tuple[list[int], object]:
    """A job that meets a database error the first two times."""
    ran: list[int] = []

    def job(conn):
        ran.append(1)
        conn.execute(schema.counters.insert().values(scope="t", name="once", value=1))
        if len(ran) < 3:
            conn.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{error}'; END $$")
            )
        return len(ran)

    return ran, job


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_p2_serialization_errors_and_deadlocks_are_tried_again(database, code):
    _, job = run_twice_at_first(code)
    assert database.write_now(job) == 3
    assert names(database) == ["once"]


def names(database: Database) -> list[str]:
    return database.read_now(
        lambda conn: list(conn.execute(select(schema.counters.c.name)).scalars())
    )


def test_p12_a_deadlock_without_end_is_given_up(database):
    ran = []

    def job(conn):
        ran.append(1)
        conn.execute(text("DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '40P01'; END $$"))

    with pytest.raises(TransientError):
        database.write_now(job)
    assert 1 < len(ran) <= link_module.ATTEMPTS_MAX
    assert database.write_now(lambda _conn: "goes on") == "goes on"


def end_sessions(postgres_cluster: Cluster, url: str) -> None:
    name = str(parse_url(url).database)
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )


def test_p2_a_lost_connection_is_made_anew_for_reads_and_writes(database, url, postgres_cluster):
    ran = []

    def job(conn):
        ran.append(1)
        conn.execute(schema.counters.insert().values(scope="t", name="kept", value=1))
        if len(ran) == 1:
            end_sessions(postgres_cluster, url)

    database.write_now(job)
    end_sessions(postgres_cluster, url)
    assert names(database) == ["kept"]
    assert len(ran) == 2


@pytest.mark.parametrize("committed", [True, False])
def test_p2_a_commit_whose_answer_was_lost_counts_once(url, postgres_cluster, committed):
    """The connection goes in the commit: before the server had it, or after it was durable."""
    engine = make_engine(parse_url(url), writes=True)
    store = Database.open(url)
    store.write_now(populate)
    store.close()
    ran = []
    broken = []

    @event.listens_for(engine, "commit")
    def _lose_the_answer(conn):
        if not broken:
            broken.append(1)
            if committed:
                conn.connection.dbapi_connection.commit()
            end_sessions(postgres_cluster, url)
            conn.exec_driver_sql("SELECT 1")  # notices

    def job(conn):
        ran.append(1)
        conn.execute(schema.counters.insert().values(scope="t", name="one", value=1))
        return "done"

    writing = Link(engine, writes=True)
    assert writing.run(job) == "done"
    assert len(ran) == (1 if committed else 2)
    with engine.connect() as conn:
        assert conn.execute(select(schema.counters.c.name)).scalars().all() == ["one"]
    writing.close()
    engine.dispose()
