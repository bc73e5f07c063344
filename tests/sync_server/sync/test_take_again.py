"""P2: what a database could not use, because it had forgotten something, counts once it knows."""

import pytest
from sqlalchemy import select, update

from sync_server.identity.devices import assign_gate
from sync_server.storage import schema
from sync_server.sync.ingest import take_again
from sync_server.verify import verify
from tests.sync_server.builders import NOW_MS, resolution_entry, rows_of, scan_entry, upload

ON_EACH_DATABASE = True


def outcomes(done):
    return [(one.outcome, one.code) for one in done.outcomes]


def test_p2_scans_of_a_gate_that_the_device_is_moved_to_again_count_once(database):
    sent = [scan_entry(1, 1), scan_entry(2, 2, gateId="vip"), scan_entry(3, 3, gateId="vip")]
    assert outcomes(upload(database, sent))[1:] == [("unusable", "foreign_gate")] * 2
    again = lambda conn: take_again(conn, "dev-north", NOW_MS)
    assert database.write_now(again) == 0, "it still has no business there"
    database.write_now(lambda conn: assign_gate(conn, "dev-north", "vip", NOW_MS))
    assert database.write_now(again) == 2
    assert database.write_now(again) == 0
    verdicts = database.read_now(
        lambda conn: conn.execute(select(schema.scans.c.verdict)).scalars().all()
    )
    assert verdicts == ["confirmed"] * 3
    assert outcomes(upload(database, sent)) == [("known", None)] * 3
    assert database.read_now(verify) == []


@pytest.mark.parametrize("code", ["unknown_type"])
def test_p6_what_an_earlier_version_did_not_understand_is_understood_now(database, code):
    upload(database, [scan_entry(1, 1)])
    upload(database, [resolution_entry(2, "scan-1", "void")])

    def as_an_earlier_version(conn):
        conn.execute(schema.resolutions.delete())
        conn.execute(update(schema.entries).where(schema.entries.c.seq == 2).values(unusable=code))

    database.write_now(as_an_earlier_version)
    assert database.write_now(lambda conn: take_again(conn, "dev-north", NOW_MS)) == 1
    assert "voided" in rows_of(database, schema.scans)[0]
    assert database.read_now(verify) == []
