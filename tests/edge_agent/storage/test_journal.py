"""The journal: P1 durable first, P2 nothing lost, P12 bounded reads."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.storage import journal_rows
from edge_agent.storage.journal import Journal
from shared import wire
from shared.errors import NewerDataError

AT_MS = 1_790_000_000_000


def open_journal(folder: Path, epoch: str = "00000000000000aa") -> Journal:
    return Journal.open(folder / "journal.db", new_epoch=lambda: epoch)


def scan(n: int, **more: object) -> dict[str, object]:
    return {"scanId": f"s{n}", "participantId": f"P{n}", "admitted": True, **more}


def sealed(body: dict[str, object], ms: int = AT_MS) -> dict[str, object]:
    final = {**body, "occurredAt": wire.format_time(ms), "timeErrorMs": 1, "timeQuality": "synced"}
    final["checksum"] = wire.checksum(final)
    return final


def test_p2_sequence_has_no_gap_over_types_and_restarts(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert [journal.append_scan(scan(n), at_ms=AT_MS).seq for n in (1, 2)] == [1, 2]
    assert journal.append_note({"note": "wrong_pin"}, at_ms=AT_MS).seq == 3
    journal.close()
    again = open_journal(tmp_path, "00000000000000bb")
    assert (again.epoch, again.head, again.unsealed_count) == ("00000000000000aa", 3, 2)
    assert again.append_scan(scan(4), at_ms=AT_MS).seq == 4
    again.close()


def test_a_failed_append_leaves_no_gap(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal._conn.execute("PRAGMA max_page_count=12")
    written = 0
    with pytest.raises(sqlite3.OperationalError, match="full"):
        for n in range(1, 200):
            journal.append_scan(scan(n, text="x" * 900), at_ms=AT_MS)
            written = n
    assert journal.head == written
    journal._conn.execute("PRAGMA max_page_count=100000")
    assert journal.append_scan(scan(9), at_ms=AT_MS).seq == written + 1
    journal.close()


def test_sealed_at_once_matches_the_wire_checksum(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    times = {"occurredAt": wire.format_time(AT_MS), "timeErrorMs": 3, "timeQuality": "synced"}
    body = {**scan(1), **times, "name": "홍*동"}
    appended = journal.append_scan(body, at_ms=AT_MS, sealed=True)
    [entry] = journal.entries_from(1, 10)
    assert entry == {**body, "type": "scan", "seq": 1, "checksum": wire.checksum(entry)}
    assert appended.checksum == entry["checksum"]
    assert journal.last_occurred_ms == AT_MS
    journal.close()


def test_only_sealed_entries_are_offered_and_sealing_never_changes_them(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for n in (1, 2, 3):
        journal.append_scan(scan(n), at_ms=AT_MS + n)
    assert journal.entries_from(1, 10) == []
    rows = journal.unsealed(2)
    assert [(row.seq, row.at_ms, row.sealed) for row in rows] == [
        (1, AT_MS + 1, False),
        (2, AT_MS + 2, False),
    ]
    journal.seal([(row.seq, sealed(row.body)) for row in rows])
    journal.seal([(1, sealed(rows[0].body, AT_MS + 99))])
    assert journal.unsealed_count == 1
    entries = journal.entries_from(1, 10)
    assert [entry["seq"] for entry in entries] == [1, 2]
    assert entries[0]["occurredAt"] == wire.format_time(AT_MS)
    assert all(wire.checksum(entry) == entry["checksum"] for entry in entries)
    assert [entry["seq"] for entry in journal.entries_from(2, 10)] == [2]
    journal.close()


def test_a_new_epoch_counts_from_one_and_the_old_is_still_offered(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_note({"note": "a"}, at_ms=AT_MS)
    journal.start_epoch("00000000000000bb", "clock moved")
    assert journal.append_note({"note": "b"}, at_ms=AT_MS).seq == 1
    assert journal.epochs() == [("00000000000000aa", 1), ("00000000000000bb", 1)]
    assert journal.entries_from(1, 9)[0]["note"] == "b"
    assert journal.entries_from(1, 9, "00000000000000aa")[0]["note"] == "a"
    journal.close()


def test_p2_a_damaged_row_that_another_thread_finds_waits_for_no_time(tmp_path: Path) -> None:
    """Else the gate would say for ever that an entry's time is not final."""
    journal = open_journal(tmp_path)
    journal.append_scan(scan(1), at_ms=AT_MS)
    assert journal.unsealed_count == 1
    journal._conn.execute("UPDATE entries SET body = replace(body, 'P1', 'P7')")
    assert journal.newest(9) == []
    assert journal.unsealed_epoch() is None
    assert journal.unsealed_count == 0
    journal.close()


def test_p2_a_damaged_row_is_named_and_the_rest_goes_up(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for n in range(1, 6):
        journal.append_note({"note": f"n{n}"}, at_ms=AT_MS)
    journal._conn.execute("UPDATE entries SET body = replace(body, 'n3', 'n7')")
    journal._conn.execute("DELETE FROM entries WHERE body LIKE '%n4%'")
    assert [entry["seq"] for entry in journal.entries_from(1, 10)] == [1, 2, 5]
    assert journal.lost_ranges() == [(3, 4)]
    journal.close()


def test_an_unreadable_file_is_set_aside_and_a_new_epoch_begins(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, surely" * 100)
    journal = open_journal(tmp_path)
    assert [entry["note"] for entry in journal.entries_from(1, 9)] == ["journal_salvaged"]
    assert (tmp_path / "journal.db.damaged-1").exists()
    journal.close()


def test_a_newer_file_is_refused_in_one_line(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    conn = sqlite3.connect(tmp_path / "journal.db")
    conn.execute("PRAGMA user_version=99")
    conn.close()
    with pytest.raises(NewerDataError, match="newer version"):
        open_journal(tmp_path)


def test_overlay_rows_are_scans_and_resolutions(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_scan(scan(1), at_ms=AT_MS)
    journal.append_note({"note": "x"}, at_ms=AT_MS)
    journal.append_resolution({"scanId": "s1", "action": "void"}, at_ms=AT_MS)
    assert [row.body["type"] for row in journal.scans_after(journal.epoch, 0)] == [
        "scan",
        "resolution",
    ]
    journal.close()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.dictionaries(
        TEXTS,
        TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.lists(TEXTS, max_size=3),
        max_size=5,
    ),
    st.integers(0, 10**9),
)
def test_the_journals_json_is_the_canonical_one(members: dict, hundredths: int) -> None:
    body = {**members, "processingMs": round(hundredths / 100, 2)}
    assert journal_rows.encode(body) == wire.canonical(body)
