"""The downlink: each row once as it is now, resumable, its digest that of the whole."""

import json

import pytest
from sqlalchemy import update

from shared.errors import WireError
from shared.wire import DIGEST_MODULUS
from sync_server.storage import revisions, schema
from sync_server.sync.changes import changes_page
from tests.sync_server.builders import (
    GENERATION,
    device_row,
    participant_row,
    scan_entry,
    upload,
)

ON_EACH_DATABASE = {
    "test_a_first_fetch_holds_every_row_and_its_digest",
    "test_p7_pages_resume_where_the_cursor_stands",
    "test_p7_changes_made_between_pages_are_not_missed",
}


def page(database, cursor=None, limit=1_000):
    return database.read_now(lambda conn: changes_page(conn, "dev-north", cursor, limit))


def apply(replica, found):
    for line in map(json.loads, found.lines):
        name = next(v for k, v in line.items() if k.endswith("Id"))
        key = (line["type"], line.get("credentialId") or name)
        replica[key] = line
    return replica


def digest_of(replica):
    return f"{sum(int(line['hash'], 16) for line in replica.values()) % DIGEST_MODULUS:032x}"


def test_a_first_fetch_holds_every_row_and_its_digest(database):
    found = page(database)
    replica = apply({}, found)
    kinds = {kind for kind, _ in replica}
    assert kinds == {"event", "gate", "participant", "credential", "device"}
    assert len(replica) == 1 + 3 + 20 + 20 + 2
    assert not found.more
    assert found.digest == digest_of(replica)
    assert found.cursor.startswith(GENERATION + ".")


@pytest.mark.parametrize("limit", [1, 7, 45, 46, 47])
def test_p7_pages_resume_where_the_cursor_stands(database, limit):
    replica, cursor, sizes = {}, None, []
    while True:
        found = page(database, cursor, limit)
        apply(replica, found)
        sizes.append(len(found.lines))
        assert (found.digest is None) == found.more
        cursor = found.cursor
        if not found.more:
            break
    assert max(sizes) <= limit
    assert sum(sizes) == 46
    assert digest_of(replica) == found.digest


def test_p7_changes_made_between_pages_are_not_missed(database):
    replica = {}
    found = page(database, None, 10)
    apply(replica, found)
    upload(database, [scan_entry(n) for n in range(1, 6)])
    database.write_now(
        lambda conn: revisions.upsert(
            conn, schema.participants, participant_row(1, status="cancelled")
        )
    )
    while found.more:
        found = page(database, found.cursor, 10)
        apply(replica, found)
    assert found.digest == digest_of(replica)
    assert replica["participant", "P000001"]["status"] == "cancelled"
    assert replica["presence", "P000001"]["inside"] is True
    assert replica["device", "dev-north"]["contiguousThrough"] == 5


def test_nothing_new_is_an_empty_page_with_the_same_cursor(database):
    found = page(database)
    again = page(database, found.cursor)
    assert (again.lines, again.cursor, again.more) == ([], found.cursor, False)
    assert again.digest == found.digest


@pytest.mark.parametrize("cursor", ["ffffffffffffffff.3", GENERATION + ".99999999"])
def test_a_cursor_of_another_life_starts_from_scratch(database, cursor):
    assert len(page(database, cursor).lines) == 46


@pytest.mark.parametrize("cursor", ["", "x", "a.b", ".5", "a.-1"])
def test_p12_a_text_that_is_no_cursor_is_refused(database, cursor):
    with pytest.raises(WireError, match="cursor"):
        page(database, cursor)


def test_p9_lines_carry_nothing_personal(database):
    database.write_now(
        lambda conn: conn.execute(update(schema.credentials).values(code="TOPSECRET"))
    )
    text = b"\n".join(page(database).lines).decode()
    for secret in ("홍길동", "example.org", "8210", "TOPSECRET", "SECRETCODE"):
        assert secret not in text
    assert "홍*동" in text


def test_partners_are_not_sent(database):
    database.write_now(
        lambda conn: revisions.upsert(conn, schema.devices, device_row("partner:app", "north"))
    )
    found = page(database)
    assert b"partner:app" not in b"".join(found.lines)
    assert found.digest == digest_of(apply({}, found))
