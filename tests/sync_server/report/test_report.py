"""The final report: figures, small groups, stays, and files that no spreadsheet is tricked by."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import update

from shared.limits import LIST_ITEMS_MAX
from sync_server.privacy.vault import Vault
from sync_server.report import attendance, gather, pdf, render
from sync_server.report.gather import Report, stay_minutes
from sync_server.report.sections import Section
from sync_server.report.words import Word, cell
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from tests.sync_server.builders import START_MS, participant_row, scan_entry, upload

NOW_MS = START_MS + 3_600_000


def made(database: Database) -> Report:
    return database.read_now(lambda conn: gather.gather(conn, NOW_MS))


def section(report: Report, title: Word) -> Section:
    return next(one for one in report.sections if one.title is title)


def figures(found: Section) -> dict[Any, Any]:
    return {row[0]: row[1] for row in found.rows}


def test_the_figures_are_those_of_the_scans(database: Database) -> None:
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 8)])
    upload(database, [scan_entry(8, person=1, minute=30)])  # inside already: a conflict
    report = made(database)
    whole = figures(section(report, Word.ATTENDANCE))
    assert whole[Word.REGISTERED] == 20
    assert whole[Word.ATTENDED] == 7
    assert whole[Word.NO_SHOWS] == 13
    (conflict,) = section(report, Word.CONFLICTS).rows
    assert Word.STILL_OPEN in conflict
    assert sum(bar.people for bar in report.curve) == 7


def grouped(database: Database, groups: list[str]) -> list[Any]:
    """Rows of the report's groups, with these among its 20 people."""
    rows = [participant_row(number, group=group) for number, group in enumerate(groups)]
    database.write_now(lambda conn: revisions.upsert_many(conn, schema.participants, rows))
    return [tuple(row[:3]) for row in section(made(database), Word.GROUPS).rows]


def test_groups_of_fewer_than_five_are_not_broken_down(database: Database) -> None:
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 4)])
    groups = ["press"] * 2 + ["crew"] * 3 + ["guests"] * 15
    assert grouped(database, groups) == [("guests", 15, 0), (Word.SMALL_GROUPS, 5, 3)]


def test_a_small_group_is_not_told_by_what_is_left_of_the_whole(database: Database) -> None:
    """20 registered less 10 and 6 shown would be the press of 4."""
    groups = ["press"] * 4 + ["crew"] * 6 + ["guests"] * 10
    assert grouped(database, groups) == [("guests", 10, 0), (Word.SMALL_GROUPS, 10, 0)]
    groups = ["press"] * 5 + ["crew"] * 5 + ["guests"] * 10
    assert grouped(database, groups) == [("crew", 5, 0), ("guests", 10, 0), ("press", 5, 0)]


def test_stays_are_from_entry_to_exit_each_time() -> None:
    passages = [
        ("a", "entry", 0), ("a", "exit", 600_000), ("a", "entry", 1_200_000),
        ("a", "exit", 1_260_000), ("b", "entry", 0), ("b", "entry", 60_000),
        ("b", "exit", 120_000), ("c", "exit", 5), ("d", "entry", 9),
    ]  # fmt: skip
    assert stay_minutes(passages) == {"a": 11.0, "b": 2.0}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_form_says_the_same(database: Database, language: str) -> None:
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 8)])
    report = made(database)
    page, sheet = render.html(report, language), render.csv_text(report, language)
    for one in report.sections:
        assert one.title.says(language) in page
        assert one.title.says(language) in sheet
    assert "<script" not in page
    assert "style=" not in page
    assert sheet.startswith("\ufeff")
    assert pdf.pdf(report, language).startswith(b"%PDF-")


def test_p11_every_word_stands_in_both_languages() -> None:
    for word in Word:
        assert word.says("en")
        assert word.says("ko")
    assert cell({"en": "a", "ko": "가"}, "ko") == "가"


def test_a_page_takes_no_markup_from_names(database: Database) -> None:
    def job(conn: Any) -> None:
        conn.execute(update(schema.events).values(name="<b>=Gala</b>"))

    database.write_now(job)
    report = made(database)
    assert "&lt;b&gt;=Gala" in render.html(report, "en")


@pytest.mark.parametrize(
    ("text", "written"),
    [("=1+1", "'=1+1"), ("@SUM", "'@SUM"), ("+82 10", "'+82 10"), ("-4.5", "-4.5"), ("Kim", "Kim")],
)
def test_no_cell_is_taken_for_a_formula(text: str, written: str) -> None:
    (line,) = csv.reader(io.StringIO(b"".join(render.rows_as_csv([[text]])).decode("utf-8-sig")))
    assert line == [written]


def test_who_came_is_one_line_a_participant(database: Database) -> None:
    vault = Vault(b"m" * 32)
    upload(database, [scan_entry(n, person=n, minute=n) for n in range(1, 4)])
    found = database.read_now(lambda conn: list(attendance.rows(conn, vault)))
    head, *lines = found
    assert head == attendance.COLUMNS
    assert len(lines) == 20
    came = [line for line in lines if line[6] == "yes"]
    assert len(came) == 3
    assert all(line[10] == 1 for line in came)
    assert len(lines) < LIST_ITEMS_MAX
