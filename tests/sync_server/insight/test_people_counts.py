"""P3: people by group and permission, whatever happened to them and in whatever order.

Each example is a life of an event: people added, moved, cancelled, scans that come late, voids. The
counts that were kept along the way equal those made afresh, and `verify` says so.
"""

from contextlib import closing
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_server.attendance import merge_store
from sync_server.attendance.review import NewResolution, resolve
from sync_server.insight import stats
from sync_server.storage import headcounts, revisions, schema
from sync_server.storage.database import Database
from sync_server.storage.history import record_change
from sync_server.verify import verify
from tests.sync_server.builders import (
    NOW_MS,
    START_MS,
    merged_state,
    participant_row,
    populate,
    scan_entry,
    upload,
)

ON_EACH_DATABASE = True

PEOPLE = 6
GROUPS = (None, "press", "staff", "모임")
PERMISSIONS = (["attendance"], ["attendance", "vip"], [])

people = st.integers(0, PEOPLE - 1)
deeds = st.one_of(
    st.tuples(st.just("scan"), people, st.integers(1, 300), st.sampled_from(["entry", "exit"])),
    st.tuples(st.just("group"), people, st.sampled_from(GROUPS)),
    st.tuples(st.just("permissions"), people, st.sampled_from(PERMISSIONS)),
    st.tuples(st.just("status"), people, st.sampled_from(["registered", "cancelled", "blocked"])),
    st.tuples(st.just("word"), st.integers(1, 20), st.sampled_from(["void", "accept"])),
    st.tuples(st.just("newcomer"), st.integers(50, 52)),
)


def change_person(database: Database, person: int, now_ms: int, **changes: Any) -> None:
    """As an import or a form does it."""
    people, participant_id = schema.participants, f"P{person:06}"

    def job(conn: Any) -> None:
        mine = people.select().where(people.c.participant_id == participant_id)
        before = dict(conn.execute(mine).mappings().one())
        after = {**before, **changes}
        revisions.upsert(conn, people, after)
        record_change(conn, "participant", participant_id, before, after, now_ms)
        merge_store.refold(conn, [participant_id], now_ms)

    database.write_now(job)


class Event:
    def __init__(self, database: Database) -> None:
        self.database, self.scans, self.changes = database, 0, 0

    def do(self, deed: tuple[Any, ...]) -> None:
        getattr(self, f"_{deed[0]}")(*deed[1:])

    def _scan(self, person: int, minute: int, direction: str) -> None:
        self.scans += 1  # minutes are any: many scans come after later ones
        entry = scan_entry(self.scans, person=person, minute=minute, direction=direction)
        upload(self.database, [entry])

    def _change(self, person: int, **changes: Any) -> None:
        self.changes += 1
        change_person(self.database, person, NOW_MS + self.changes, **changes)

    def _group(self, person: int, group: str | None) -> None:
        self._change(person, group=group)

    def _permissions(self, person: int, permissions: list[str]) -> None:
        self._change(person, permissions=permissions)

    def _status(self, person: int, status: str) -> None:
        self._change(person, status=status)

    def _word(self, scan: int, action: str) -> None:
        self.changes += 1
        word = NewResolution(
            f"r{self.changes}", f"scan-{scan}", action, "op", "why", NOW_MS + self.changes
        )
        self.database.write_now(lambda conn: resolve(conn, word))

    def _newcomer(self, person: int) -> None:
        row = participant_row(person, group="press")
        self.database.write_now(lambda conn: revisions.upsert(conn, schema.participants, row))


@settings(max_examples=15, deadline=None)
@given(life=st.lists(deeds, min_size=4, max_size=25))
def test_p3_counts_kept_along_the_way_are_those_made_afresh(life: list[tuple[Any, ...]]) -> None:
    with (
        TemporaryDirectory() as folder,
        closing(Database.open(f"sqlite:///{folder}/x.db")) as database,
    ):
        database.write_now(lambda conn: populate(conn, people=PEOPLE))
        event = Event(database)
        for deed in life:
            event.do(deed)
        assert database.read_now(verify) == []
        kept = merged_state(database)
        database.write_now(headcounts.recount)
        assert merged_state(database) == kept
        overall = database.read_now(lambda conn: stats.overall(conn, NOW_MS))
        assert 0 <= overall["attendanceRate"] <= 100
        groups = database.read_now(lambda conn: stats.people_by(conn, "group", small_apart=True))
        for ours, theirs in (("registered", "totalParticipants"), ("inside", "inside"),
                             ("attended", "attendedParticipants")):  # fmt: skip
            assert sum(item[ours] for item in groups) == overall[theirs]


@pytest.fixture
def halls(database: Database) -> Database:
    """Of 20 people: 7 of `press`, 6 of `staff`, 4 of `guests`, 2 of `friends`, one of none."""
    groups = ["press"] * 7 + ["staff"] * 6 + ["guests"] * 4 + ["friends"] * 2 + [None]
    rows = [participant_row(n, group=group) for n, group in enumerate(groups)]
    database.write_now(lambda conn: revisions.upsert_many(conn, schema.participants, rows))
    upload(database, [scan_entry(n, person=p) for n, p in enumerate((1, 2, 8, 14, 18), 1)])
    return database


def by_group(database: Database, *, small_apart: bool) -> dict[Any, tuple[int, int]]:
    found = database.read_now(lambda conn: stats.people_by(conn, "group", small_apart=small_apart))
    return {item["group"]: (item["registered"], item["attended"]) for item in found}


def test_small_groups_stand_together_for_those_who_may_not_read_the_list(halls: Database) -> None:
    assert by_group(halls, small_apart=True) == {
        "press": (7, 2), "staff": (6, 1), "guests": (4, 1), "friends": (2, 1), None: (1, 0),
    }  # fmt: skip
    assert by_group(halls, small_apart=False) == {"press": (7, 2), "staff": (6, 1), None: (7, 2)}
    # One small group alone would be told by the rest: the smallest of the others joins it.
    move = [participant_row(n, group="staff") for n in range(13, 19)]
    halls.write_now(lambda conn: revisions.upsert_many(conn, schema.participants, move))
    assert by_group(halls, small_apart=False) == {"staff": (12, 3), None: (8, 2)}


def test_who_moves_takes_their_attendance_along_and_the_cancelled_stay_counted(
    halls: Database,
) -> None:
    def change(**changes: Any) -> dict[str, Any]:
        change_person(halls, 1, NOW_MS, **changes)
        return halls.read_now(lambda conn: stats.overall(conn, START_MS))

    change(group="staff")
    assert by_group(halls, small_apart=True)["press"] == (6, 1)
    assert by_group(halls, small_apart=True)["staff"] == (7, 2)
    overall = change(status="cancelled")
    assert by_group(halls, small_apart=True)["staff"] == (6, 2)
    assert (overall["totalParticipants"], overall["attendedParticipants"]) == (19, 5)
    assert overall["attendedCancelled"] == 1
    assert overall["attendanceRate"] == round(100 * 4 / 19, 2)  # of those who are registered
    assert halls.read_now(verify) == []


def test_what_a_program_of_an_earlier_version_wrote_is_counted_when_the_folder_is_opened(
    halls: Database,
) -> None:
    kept = merged_state(halls)
    for table in (schema.headcounts, schema.tallies):
        halls.write_now(lambda conn, table=table: conn.execute(table.delete()))
    from sync_server.deployment import count_what_was_not_counted

    assert halls.read_now(verify) != []
    count_what_was_not_counted(halls)
    assert halls.read_now(verify) == []
    assert merged_state(halls) == kept
