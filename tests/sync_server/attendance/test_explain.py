"""P11: a conflict says which scans, which gates, when, how sure, and what each gate could know."""

import pytest

from shared.wire import UploadRequest, format_time
from sync_server.attendance.knowledge import CONTACT_PAUSE_MS_MAX, last_contact, note_contact
from sync_server.attendance.review import NewResolution, ScanFilter, list_conflicts, resolve
from sync_server.registration.tickets import revoke_credential
from sync_server.storage import revisions, schema
from sync_server.sync.ingest import ingest
from sync_server.verify import verify
from tests.sync_server.builders import (
    EPOCH,
    MINUTE_MS,
    NOW_MS,
    START_MS,
    gate_row,
    rows_of,
    scan_entry,
    upload,
)

ON_EACH_DATABASE = True
SOUTH = "b1b2c3d4e5f60718"


@pytest.fixture
def named(database):
    def job(conn):
        revisions.upsert(conn, schema.gates, gate_row("north", name="North gate"))
        revisions.upsert(conn, schema.gates, gate_row("south", name="남문"))

    database.write_now(job)
    return database


def cursor(database):
    generation, revision = database.read_now(revisions.head)
    return f"{generation}.{revision}"


def heard(database, device_id, *minutes):
    def job(conn):
        for minute in minutes:
            note_contact(conn, device_id, START_MS + minute * MINUTE_MS)

    database.write_now(job)


def double(database, *, seen, minute=20, **changes):
    """The same person at both gates; the second gate had read up to `seen`."""
    upload(database, [scan_entry(1, 1, minute=10, timeErrorMs=200)])
    changes = {"scanId": "scan-south", "gateId": "south", "replicaCursor": seen} | changes
    upload(database, [scan_entry(1, 1, minute=minute, **changes)], "dev-south", SOUTH)


def conflict(database, *, open_only=False):
    found = database.read_now(lambda conn: list_conflicts(conn, ScanFilter(), open_only=open_only))
    return found["items"][0] if found["items"] else None


def test_p11_a_double_entry_names_both_gates_times_errors_and_what_could_not_be_known(named):
    before = cursor(named)
    heard(named, "dev-south", 1, 2)
    double(named, seen=before, timeErrorMs=300)
    item = conflict(named)
    said = item["explanation"]["en"]
    local = "2025-10-09 18:"  # Seoul; the start is 17:53:20
    for part in (
        "entry at 남문",
        "±0.3 s: admitted while already inside",
        "The earlier scan: entry at North gate",
        "±0.2 s",
        local,
        "+09:00",
        "남문 had last heard from the server at 2025-10-09 17:55:20+09:00",
        "The earlier scan reached the server at",
        "It could not know.",
    ):
        assert part in said, (part, said)
    korean = item["explanation"]["ko"]
    for part in ("남문 입장", "앞선 기록: North gate 입장", "마지막으로 서버와 연락", "알 수 없었"):
        assert part in korean, (part, korean)
    assert item["against"]["scanId"] == "scan-1"
    assert (item["gateName"], item["against"]["gateName"]) == ("남문", "North gate")
    assert item["knowledge"]["couldKnow"] is False
    assert item["knowledge"]["lastHeardAt"] == format_time(START_MS + 2 * MINUTE_MS)


def test_p11_a_gate_whose_list_held_the_earlier_scan_could_have_known(named):
    first = [scan_entry(1, 1, minute=10)]
    request = UploadRequest(device_id="dev-north", epoch=EPOCH, entries=first)
    named.write_now(lambda conn: ingest(conn, "dev-north", request, NOW_MS - 1))
    seen = cursor(named)
    entry = scan_entry(1, 1, minute=20, scanId="s", gateId="south", replicaCursor=seen)
    upload(named, [entry], "dev-south", SOUTH)
    assert conflict(named)["knowledge"]["couldKnow"] is True
    assert "It could have known." in conflict(named)["explanation"]["en"]


def test_p11_a_gate_in_contact_whose_list_did_not_hold_it_yet_could_not_know(named):
    before = cursor(named)
    heard(named, "dev-south", 19.8, 20, 20.2)
    double(named, seen=before)
    item = conflict(named)
    assert item["knowledge"]["inContact"] is True
    assert "was in contact with the server then. It could not know." in item["explanation"]["en"]


def test_p8_times_that_overlap_say_so(named):
    double(named, seen=None, minute=10.001, timeErrorMs=500)
    assert "not certain" in conflict(named)["explanation"]["en"]
    assert "확실하지" in conflict(named)["explanation"]["ko"]


def test_p11_a_ticket_withdrawn_before_says_when_and_what_the_gate_had_heard(named):
    before = cursor(named)
    heard(named, "dev-north", 2)
    withdrawn_ms = START_MS + 5 * MINUTE_MS
    named.write_now(lambda conn: revoke_credential(conn, "C000001", withdrawn_ms))
    upload(named, [scan_entry(1, 1, minute=10, replicaCursor=before)])
    item = conflict(named)
    assert item["kind"] == "revoked"
    assert "withdrawn at 2025-10-09 17:58:20+09:00" in item["explanation"]["en"]
    assert "last heard from the server at 2025-10-09 17:55:20+09:00" in item["explanation"]["en"]
    assert item["knowledge"]["couldKnow"] is False


def test_contacts_end_with_a_pause_and_cost_a_row_each(named):
    heard(named, "dev-south", 1, 1.2, 1.5, 9)
    pause = CONTACT_PAUSE_MS_MAX
    assert len(rows_of(named, schema.contacts)) == 2
    at = START_MS + 5 * MINUTE_MS
    found = named.read_now(lambda conn: last_contact(conn, "dev-south", at))
    assert found == (START_MS + MINUTE_MS, START_MS + 1.5 * MINUTE_MS)
    assert pause < 7 * MINUTE_MS
    assert named.read_now(lambda conn: last_contact(conn, "dev-south", START_MS)) is None


def say(database, scan_id, action, text="seen", number=1):
    word = NewResolution(f"server:{number}", scan_id, action, "op-1", text, NOW_MS + number)
    return database.write_now(lambda conn: resolve(conn, word))


def test_p2_the_same_word_said_twice_is_one(named):
    double(named, seen=None)
    say(named, "scan-south", "accept")
    say(named, "scan-south", "accept", number=2)
    assert len(rows_of(named, schema.resolutions)) == 1
    say(named, "scan-south", "void", number=3)
    say(named, "scan-south", "accept", number=4)
    assert len(rows_of(named, schema.resolutions)) == 3, "a change of mind is another word"
    assert named.read_now(verify) == []


@pytest.mark.parametrize("action", ["accept", "void"])
def test_p3_a_word_whose_conflict_has_gone_is_marked_stale(named, action):
    double(named, seen=None)
    say(named, "scan-south", action)
    assert conflict(named)["resolution"]["stale"] is False
    # An exit between the two arrives late: there never was a double entry.
    upload(named, [scan_entry(2, 1, minute=15, direction="exit")])
    assert conflict(named)["resolution"]["stale"] is True
    assert named.read_now(verify) == []
