"""`verify` finds what was changed behind the server's back."""

import pytest
from sqlalchemy import delete, update

from sync_server.storage import schema
from sync_server.verify import LINES_MAX, verify
from tests.sync_server.builders import scan_entry, upload

ON_EACH_DATABASE = True
DAMAGES = {
    "the stored hash is not that of the row": update(schema.participants)
    .where(schema.participants.c.participant_id == "P000001")
    .values(status="blocked"),
    "the digest is not the sum": update(schema.state).values(digest="0" * 32),
    "is given twice or beyond": update(schema.gates).values(revision=3),
    "entry 1 is not among the scans": delete(schema.scans).where(schema.scans.c.seq == 1),
    "stored as refused, counts as confirmed": update(schema.scans)
    .where(schema.scans.c.seq == 2)
    .values(verdict="refused"),
    "stored as conflict of nobody, counts as confirmed of P000003": update(schema.scans)
    .where(schema.scans.c.seq == 3)
    .values(participant_id=None, verdict="conflict"),
    "presence P000001: missing": delete(schema.presences).where(
        schema.presences.c.participant_id == "P000001"
    ),
    "inside is False": update(schema.presences).values(inside=False),
    "counter overall confirmed": update(schema.counters)
    .where(schema.counters.c.name == "confirmed")
    .values(value=77),
    "entry 2 has not arrived": delete(schema.entries).where(schema.entries.c.seq == 2),
}


@pytest.mark.parametrize("expected", DAMAGES)
def test_p2_p3_each_kind_of_damage_is_named(database, expected):
    upload(database, [scan_entry(n) for n in (1, 2, 3)])
    assert database.read_now(verify) == []
    database.write_now(lambda conn: conn.execute(DAMAGES[expected]))
    if "arrived" in expected:
        database.write_now(
            lambda conn: conn.execute(update(schema.journals).values(contiguous_through=0))
        )
    found = database.read_now(verify)
    assert any(expected in line for line in found), found


def test_p12_the_list_has_an_end(new_database):
    database = new_database(people=LINES_MAX + 50)
    database.write_now(lambda conn: conn.execute(update(schema.participants).values(group="x")))
    found = database.read_now(verify)
    assert len(found) == LINES_MAX + 1
    assert "and more" in found[-1]
