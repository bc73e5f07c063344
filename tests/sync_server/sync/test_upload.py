"""What is around and in an upload's body: one bad entry never refuses the others (P6)."""

import msgspec
import pytest
from sqlalchemy import func, select

from sync_server.storage import schema
from sync_server.sync.ingest import ingest
from sync_server.sync.upload import read_upload
from sync_server.verify import verify
from tests.sync_server.builders import (
    NOW_MS,
    merged_state,
    resolution_entry,
    scan_entry,
    upload,
)


def count(database, table):
    return database.read_now(
        lambda conn: conn.execute(select(func.count()).select_from(table)).scalar_one()
    )


@pytest.mark.parametrize(
    "raw",
    [b"5", b"null", b'"text"', b"[]", b'{"a":"\\ud800"}', b'{"a":1e999}', b"[" * 500 + b"]" * 500],
)
def test_p6_a_value_that_is_no_entry_is_kept_and_stops_nothing(database, raw):
    good = msgspec.json.encode(scan_entry(1))
    head = b'{"deviceId":"dev-north","epoch":"0011223344556677","entries":['
    request = read_upload(head + raw + b"," + good + b"]}")
    for outcome in ("stored", "known"):  # the second time it is known
        answer = database.write_now(lambda conn: ingest(conn, "dev-north", request, NOW_MS))
        assert [o.outcome for o in answer.outcomes] == ["unusable", outcome]
        assert answer.contiguous_through == 1
    assert count(database, schema.entries) == 2
    assert database.read_now(verify) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"deviceId":"\\ud800"}', b"\xff", b"[" * 5_000]
)
def test_a_body_that_is_no_upload_is_refused_as_such(body):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        read_upload(body)


@pytest.mark.parametrize("action", ["accept", "void"])
def test_p3_a_word_on_an_id_that_two_scans_share_holds_for_both(new_database, action):
    made = [
        scan_entry(1, person=1, minute=1, scanId="same"),
        scan_entry(2, person=2, minute=2, scanId="same"),
        resolution_entry(3, "same", action),
    ]
    states = []
    for name, order in (("a", [0, 1, 2]), ("b", [2, 1, 0]), ("c", [1, 2, 0])):
        database = new_database(name)
        for place in order:
            upload(database, [made[place]])
        assert database.read_now(verify) == []
        states.append(merged_state(database)["scans"])
    assert states[0] == states[1] == states[2]
    verdicts = {"accept": "confirmed", "void": "voided"}
    assert sum(verdicts[action] in row for row in states[0]) == 2
