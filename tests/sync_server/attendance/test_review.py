"""A supervisor's word at the server folds in like one from a gate."""

import pytest

from sync_server.attendance.review import NewResolution, ScanFilter, list_conflicts, resolve
from sync_server.report import incidents
from sync_server.report.words import Word
from sync_server.storage import schema
from sync_server.verify import verify
from tests.sync_server.builders import NOW_MS, rows_of, scan_entry, upload

ON_EACH_DATABASE = True


def say(database, scan_id, action="void"):
    word = NewResolution("server:1", scan_id, action, "op-1", "seen", NOW_MS)
    return database.write_now(lambda conn: resolve(conn, word))


@pytest.mark.parametrize(
    "stranger",
    [{"person": 777}, {"digest": None, "kind": "walk_in"}, {"person": 3}],
    ids=["unknown ticket", "walk-in", "participant"],
)
def test_p3_a_word_on_any_admitted_scan_is_folded(database, stranger):
    upload(database, [scan_entry(1, **stranger)])
    assert say(database, "scan-1") == "resolved"
    (row,) = rows_of(database, schema.scans)
    assert "voided" in row
    assert database.read_now(verify) == []


def test_a_word_on_nothing_and_on_a_refusal(database):
    upload(database, [scan_entry(1, admitted=False, reason="revoked")])
    assert say(database, "scan-1") == "scan_not_admitted"
    assert say(database, "scan-2") == "scan_not_found"


def test_p11_a_voided_conflict_still_says_what_it_was(database):
    upload(database, [scan_entry(1, 1), scan_entry(2, 1, minute=40)])
    assert say(database, "scan-2") == "resolved"
    (item,) = database.read_now(
        lambda conn: list_conflicts(conn, ScanFilter(), open_only=False)["items"]
    )
    assert (item["verdict"], item["kind"]) == ("voided", None)
    assert item["against"]["scanId"] == "scan-1"
    assert (item["resolution"]["kind"], item["resolution"]["stale"]) == ("double_entry", False)
    assert "before: " in item["explanation"]["en"]
    assert "이전: " in item["explanation"]["ko"]
    rows = database.read_now(lambda conn: incidents.conflicts(conn, str)).rows
    assert rows[0][3] is Word.DOUBLE_ENTRY
