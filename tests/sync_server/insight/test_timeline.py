"""Arrivals over time, in the event's time zone."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from shared.wire import format_time, parse_time
from sync_server.insight import timeline
from sync_server.storage.database import Database
from sync_server.storage.schema import events
from tests.sync_server.builders import MINUTE_MS, START_MS, scan_entry, upload

ON_EACH_DATABASE = True


def in_zone(database: Database, zone: str, start_ms: int, hours: int) -> None:
    values = {"time_zone": zone, "start_ms": start_ms, "end_ms": start_ms + hours * 3_600_000}
    database.write_now(lambda conn: conn.execute(update(events).values(values)))


def arrive(database: Database, times_ms: list[int]) -> None:
    upload(database, [
        scan_entry(n, person=n, occurredAt=format_time(at)) for n, at in enumerate(times_ms, 1)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Asia/Kolkata", {"T09:00:00+05:30": 2, "T10:00:00+05:30": 1}),
        ("Asia/Kathmandu", {"T09:00:00+05:45": 2, "T10:00:00+05:45": 1}),
        ("Asia/Seoul", {"T09:00:00+09:00": 2, "T10:00:00+09:00": 1}),
    ],
)
def test_an_hour_begins_when_the_clocks_there_say_so(
    database: Database, zone: str, hours: dict[str, int]
) -> None:
    offset = next(iter(hours))[9:]
    begins = parse_time(f"2026-11-21T09:00:00.000{offset[-6:]}")
    in_zone(database, zone, begins, 8)
    arrive(database, [begins, begins + 59 * MINUTE_MS, begins + 60 * MINUTE_MS])
    found = database.read_now(timeline.hourly)
    assert {hour["hour"][10:]: hour["count"] for hour in found} == hours
    assert sum(hour["methods"]["qr_scan"] for hour in found) == 3


def test_the_hour_that_comes_twice_is_two_and_the_one_that_is_missing_none(
    database: Database,
) -> None:
    """Berlin's clocks go back at 03:00 summer time on 2026-10-25."""
    twice = parse_time("2026-10-25T02:30:00.000+02:00")
    in_zone(database, "Europe/Berlin", twice, 6)
    arrive(database, [twice, twice + 60 * MINUTE_MS, twice + 120 * MINUTE_MS])
    found = database.read_now(timeline.hourly)
    assert [hour["hour"] for hour in found] == [
        "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00",
    ]  # fmt: skip
    assert all(datetime.fromisoformat(hour["hour"]).minute == 0 for hour in found)


def test_the_curve_holds_people_once_and_entries_by_gate(database: Database) -> None:
    in_zone(database, "Asia/Kolkata", START_MS, 8)
    entries: list[dict[str, Any]] = [
        scan_entry(1, person=1, minute=1),
        scan_entry(2, person=1, minute=8, direction="exit"),
        scan_entry(3, person=1, minute=31),  # comes again: the same person
    ]
    upload(database, entries)
    upload(database, [scan_entry(1, person=2, minute=31, gateId="south")], device_id="dev-south")
    found = database.read_now(lambda conn: timeline.read(conn, START_MS + 32 * MINUTE_MS))
    assert (found["timeZone"], found["slotMinutes"]) == ("Asia/Kolkata", 5)
    people = {slot: count for slot, count, _ in found["slots"] if count}
    assert sum(people.values()) == 2
    first = (START_MS + MINUTE_MS - parse_time(found["start"])) // 300_000
    assert people[first] == 1
    assert people[first + 6] == 1
    gates = {slot: gates for slot, _, gates in found["slots"]}
    assert gates[first + 6] == {"north": 1, "south": 1}
    assert found["now"] == pytest.approx(first + 31 / 5, abs=1)
    assert len(found["slots"]) == 2  # none for times when nobody came
