"""Reports of events that did not go as planned; every figure agrees with `/stats` and `verify`."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.wire import format_time
from sync_server.insight import stats
from sync_server.privacy.vault import Vault
from sync_server.registration.participants import Registrar
from sync_server.report import gather, pdf, render
from sync_server.report.gather import Report
from sync_server.report.sections import Section
from sync_server.report.words import Word, cell
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.verify import verify
from tests.sync_server.builders import (
    NOW_MS,
    event_row,
    participant_row,
    resolution_entry,
    scan_entry,
    upload,
)

HOUR_MS = 3_600_000


def made(database: Database) -> Report:
    """The report, held against the other figures."""
    report = database.read_now(lambda conn: gather.gather(conn, NOW_MS))
    said = database.read_now(lambda conn: stats.overall(conn, NOW_MS))
    whole = figures(report, Word.ATTENDANCE)
    assert whole[Word.REGISTERED] == said["totalParticipants"]
    assert whole[Word.ATTENDED] + whole[Word.ATTENDED_CANCELLED] == said["attendedParticipants"]
    assert whole[Word.NO_SHOWS] + whole[Word.ATTENDED] == whole[Word.REGISTERED]
    assert whole[Word.INSIDE] == said["inside"]
    absent = {row[0]: row[1] for row in section(report, Word.NO_SHOWS).rows}
    absent.pop(Word.STATUS_CANCELLED, None)  # not among the registered
    assert sum(absent.values()) == whole[Word.NO_SHOWS]
    gates = database.read_now(lambda conn: stats.gates(conn, NOW_MS))
    shown = {row[0]: row[1] for row in section(report, Word.GATES).rows}
    assert shown == {gate["name"]: gate["totalProcessed"] for gate in gates}
    assert database.read_now(verify) == []
    for language in ("en", "ko"):
        render.html(report, language)
        render.csv_text(report, language)
    return report


def section(report: Report, title: Word) -> Section:
    return next(one for one in report.sections if one.title is title)


def figures(report: Report, title: Word) -> dict[Any, Any]:
    return {row[0]: row[1] for row in section(report, title).rows}


def at(text: str, zone: str) -> str:
    return format_time(
        int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)
    )


def held_in(database: Database, start: str, end: str, zone: str) -> None:
    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)

    row = event_row(start_ms=ms(start), end_ms=ms(end), time_zone=zone)
    database.write_now(lambda conn: revisions.upsert(conn, schema.events, row))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_event_that_nobody_came_to(database: Database, language: str) -> None:
    report = made(database)
    whole = figures(report, Word.ATTENDANCE)
    assert (whole[Word.ATTENDED], whole[Word.RATE], whole[Word.NO_SHOWS]) == (0, "0.0 %", 20)
    assert report.curve == []
    assert "<svg" not in render.html(report, language)
    assert pdf.pdf(report, language).startswith(b"%PDF-")


def test_who_is_cancelled_after_they_came_is_no_show_nor_registered(database: Database) -> None:
    upload(database, [scan_entry(n, person=n) for n in range(1, 4)])
    keys: Any = SimpleNamespace(digest=b"d" * 32)  # nothing is issued here
    registrar = Registrar(Vault(b"k" * 32), keys, NOW_MS)
    database.write_now(lambda conn: registrar.cancel(conn, "P000001"))
    whole = figures(made(database), Word.ATTENDANCE)
    assert (whole[Word.REGISTERED], whole[Word.ATTENDED], whole[Word.NO_SHOWS]) == (19, 2, 17)
    assert whole[Word.ATTENDED_CANCELLED] == 1


def test_two_days_are_one_curve_with_the_night_in_it(database: Database) -> None:
    held_in(database, "2026-11-21T09:00", "2026-11-22T18:00", "Asia/Seoul")
    times = ["2026-11-21T09:10", "2026-11-21T17:50", "2026-11-22T09:05"]
    upload(database, [
        scan_entry(n, person=n, occurredAt=at(text, "Asia/Seoul")) for n, text in enumerate(times, 1)
    ])  # fmt: skip
    report = made(database)
    assert [row[0] for row in section(report, Word.ARRIVALS).rows] == [
        "2026-11-21 09:00", "2026-11-21 17:00", "2026-11-22 09:00",
    ]  # fmt: skip
    assert len(report.curve) == 25  # 09:00 of one day to 09:00 of the next
    assert [bar.hour for bar in report.curve if bar.people] == [
        row[0] for row in section(report, Word.ARRIVALS).rows
    ]
    labels = [bar.label for bar in report.curve if bar.label]
    assert "11-22" in labels
    assert len(labels) == len(set(labels))


def test_the_hour_that_clocks_show_twice_is_two_hours(database: Database) -> None:
    held_in(database, "2026-10-24T22:00", "2026-10-25T06:00", "Europe/Berlin")
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
    upload(database, [
        scan_entry(n, person=n, occurredAt=format_time(int(moment.timestamp() * 1_000)))
        for n, moment in enumerate(moments, 1)
    ])  # fmt: skip
    report = made(database)
    assert [row[0] for row in section(report, Word.ARRIVALS).rows] == [
        "2026-10-25 02:00 (+02:00)", "2026-10-25 02:00 (+01:00)", "2026-10-25 03:00 (+01:00)",
    ]  # fmt: skip
    assert [bar.people for bar in report.curve] == [1, 1, 1]


def test_a_night_over_the_change_is_as_long_as_it_was(database: Database) -> None:
    """In at 01:30 before, out at 02:30 after the clocks went back: two hours, not one."""
    held_in(database, "2026-10-24T22:00", "2026-10-25T06:00", "Europe/Berlin")
    inside = datetime(2026, 10, 24, 23, 30, tzinfo=UTC).timestamp() * 1_000
    entries = []
    for person in range(1, 7):
        for seq, (direction, later) in enumerate((("entry", 0), ("exit", 2 * HOUR_MS))):
            time = format_time(int(inside) + later + person)
            entries.append((time, person, direction, seq))
    upload(database, [
        scan_entry(n, person=person, direction=direction, occurredAt=time)
        for n, (time, person, direction, _) in enumerate(sorted(entries), 1)
    ])  # fmt: skip
    stay = figures(made(database), Word.STAY)
    assert (stay[Word.PEOPLE_LEFT], stay[Word.MEDIAN_MINUTES]) == (6, 120.0)


def test_what_was_taken_back_is_not_counted_and_says_who_and_why(database: Database) -> None:
    upload(database, [
        scan_entry(1, person=1),
        scan_entry(2, person=1, minute=30),  # inside already
        resolution_entry(3, "scan-2", "void"),
    ])  # fmt: skip
    report = made(database)
    (row,) = section(report, Word.CONFLICTS).rows
    assert Word.VOIDED in row
    assert "seen at the door (op-1)" in row
    assert figures(report, Word.ATTENDANCE)[Word.ATTENDED] == 1


def test_operators_of_one_name_are_told_apart(database: Database) -> None:
    def person(operator_id: str, name: str) -> dict[str, Any]:
        return {"operator_id": operator_id, "name": name, "role": "supervisor",
                "password_hash": None, "active": True}  # fmt: skip

    def team(conn: Any) -> None:
        for operator_id, name in (("op-1", "김민준"), ("op-2", "김민준 "), ("op-3", "=2+3")):
            revisions.upsert(conn, schema.people, person(operator_id, name))

    database.write_now(team)
    by = ["op-1", "op-2", "op-2", "op-3", "op-unknown"]
    upload(database, [
        scan_entry(n, person=n, method="manual", reason="not_permitted",
                   override={"operatorId": who, "text": "초대 손님"})
        for n, who in enumerate(by, 1)
    ])  # fmt: skip
    report = made(database)
    counts = {row[0]: row[1] for row in section(report, Word.BY_OPERATOR).rows}
    assert counts == {"김민준": 1, "김민준 ": 2, "=2+3": 1, "op-unknown": 1}
    assert len(section(report, Word.OVERRIDES).rows) == 5
    assert "'=2+3" in render.csv_text(report, "ko")
    assert "초대 손님" in render.html(report, "ko")


def test_a_walk_in_is_registered_and_came(database: Database) -> None:
    upload(database, [scan_entry(1, person=1)])
    row = participant_row(77, status="registered", masked_name="남*우")
    database.write_now(lambda conn: revisions.upsert(conn, schema.participants, row))
    upload(database, [
        scan_entry(2, kind="person", digest=None, participantId="P000077", method="manual",
                   override={"operatorId": "op-1", "text": "walk-in"}),
    ])  # fmt: skip
    whole = figures(made(database), Word.ATTENDANCE)
    assert (whole[Word.REGISTERED], whole[Word.ATTENDED]) == (21, 2)


def test_p11_no_cell_shows_a_code_where_there_are_words(database: Database) -> None:
    upload(database, [scan_entry(1, person=1), scan_entry(2, person=1, minute=30)])
    row = section(made(database), Word.CONFLICTS).rows[0]
    assert cell(row[3], "en") == "Double entry"
    assert cell(row[3], "ko") == "중복 입장"


def test_many_conflicts_are_pages_that_can_be_read(database: Database) -> None:
    """No column so narrow that a conflict fills half a page; and no cell in the curve's colour."""
    upload(database, [scan_entry(n, person=n % 15, minute=n) for n in range(1, 41)])
    made_pdf = pdf.pdf(made(database), "ko")
    assert made_pdf.count(b"/Type /Page\n") <= 6
