"""A device's word of itself, and the journal's head that it reports."""

import pytest
from sqlalchemy import select

from shared.errors import WireError
from shared.wire import ClockStatus, StatusRequest
from sync_server.storage import schema
from sync_server.sync.status import store_status
from sync_server.verify import verify
from tests.sync_server.builders import EPOCH, NOW_MS, scan_entry, upload


def report(database, head, epoch=EPOCH):
    status = StatusRequest(epoch=epoch, head=head, waiting=0, clock=ClockStatus(quality="synced"))
    return database.write_now(lambda conn: store_status(conn, "dev-north", status, NOW_MS))


def test_p2_a_tail_that_did_not_come_is_named(database):
    upload(database, [scan_entry(1), scan_entry(2)])
    assert report(database, head=2) == 2
    assert database.read_now(verify) == []
    assert report(database, head=5) == 2
    assert database.read_now(verify) == [
        f"device dev-north, journal {EPOCH}: entries 3-5 have not arrived"
    ]


def test_the_status_is_kept_as_said_and_told(database):
    report(database, head=0)
    report(database, head=0)
    kept = database.read_now(lambda conn: conn.execute(select(schema.device_status)).one())
    assert kept.last_seen_ms == NOW_MS
    assert kept.status["clock"]["quality"] == "synced"
    rows = database.read_now(lambda conn: conn.execute(select(schema.outbox)).all())
    told = [row for row in rows if row.type == "gate.status"]
    assert len(told) == 2
    assert told[0].data["gateId"] == "north"


@pytest.mark.parametrize(("head", "epoch"), [(-1, EPOCH), (2**60, EPOCH), (0, ""), (0, "x" * 33)])
def test_p12_what_makes_no_sense_is_refused(database, head, epoch):
    with pytest.raises(WireError):
        report(database, head, epoch)
