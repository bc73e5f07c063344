"""Figures cost the same however many scans there are, and participants."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from sync_server.insight import outlook, stats, timeline
from sync_server.storage.database import Database
from tests.sync_server.builders import START_MS, add_people, scan_entry, upload

NOW_MS = START_MS + 10 * 60_000
FEW, MANY = 100, 2_000

# What each kind of page or route reads.
READS: dict[str, Callable[[Connection], Any]] = {
    "overall": partial(stats.overall, now_ms=NOW_MS),
    "gates": partial(stats.gates, now_ms=NOW_MS),
    "hourly": timeline.hourly,
    "methods": stats.methods,
    "groups": partial(stats.people_by, kind="group", small_apart=True),
    "permissions": partial(stats.people_by, kind="permission", small_apart=False),
    "arrivals": partial(timeline.read, now_ms=NOW_MS),
    "forecast": partial(outlook.read, now_ms=NOW_MS, share_before=None),
}


def steps_of(database: Database, job: Callable[[Connection], Any]) -> int:
    """Instructions of SQLite's machine: each row that is read costs some."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def counted(conn: Connection) -> None:
        job(conn)  # the connection has prepared what it will ask
        raw: Any = conn.connection.dbapi_connection
        raw.set_progress_handler(count, 1)
        try:
            job(conn)
        finally:
            raw.set_progress_handler(None, 1)

    database.read_now(counted)
    return steps


def fill(database: Database, scans: int) -> None:
    """All within the same ten minutes, at three gates, half of them refused."""
    add = partial(add_people, numbers=range(20, scans))
    database.write_now(add)
    gates = ("north", "south", "vip")
    for first in range(1, scans + 1, 500):
        upload(database, [
            scan_entry(seq, person=seq - 1, minute=seq * 10 / scans, gateId=gates[seq % 3],
                       **({} if seq % 2 else {"admitted": False, "reason": "revoked"}))
            for seq in range(first, min(first + 500, scans + 1))
        ])  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.sync_server.builders import populate

    made = []
    for scans in (FEW, MANY):
        path = tmp_path_factory.mktemp("growth") / "sync.db"
        database = Database.open(f"sqlite:///{path}")
        database.write_now(populate)
        fill(database, scans)
        made.append(database)
    yield made
    for database in made:
        database.close()


@pytest.mark.parametrize("name", READS)
def test_p12_a_figure_reads_no_more_rows_of_twenty_times_the_scans(pair: Any, name: str) -> None:
    few, many = (steps_of(database, READS[name]) for database in pair)
    assert few > 10
    assert many < 1.5 * few + 100, f"{name}: {few} steps with {FEW} scans, {many} with {MANY}"
