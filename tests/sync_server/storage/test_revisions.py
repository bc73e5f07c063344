"""Revisions rise, the digest follows, and what gates do not see moves nothing."""

from sqlalchemy import select

from shared.wire import DIGEST_MODULUS
from sync_server.storage import revisions, schema
from sync_server.verify import verify
from tests.sync_server.builders import credential_row, device_row, participant_row

ON_EACH_DATABASE = True


def head(database):
    return database.read_now(revisions.head).revision


def upsert(database, table, row):
    return database.write_now(lambda conn: revisions.upsert(conn, table, row))


def test_each_changed_row_takes_the_next_revision(database):
    before = head(database)
    assert upsert(database, schema.participants, participant_row(1, status="blocked"))
    assert head(database) == before + 1
    assert upsert(database, schema.participants, participant_row(99))
    assert head(database) == before + 2


def test_an_equal_row_writes_nothing(database):
    before = head(database)
    assert not upsert(database, schema.participants, participant_row(1, updated_ms=9))
    assert head(database) == before


def test_what_gates_do_not_see_is_stored_without_a_revision(database):
    before = head(database)
    assert upsert(database, schema.credentials, {"credential_id": "C000001", "code": "NEW"})
    assert head(database) == before
    stored = select(schema.credentials.c.code).where(
        schema.credentials.c.credential_id == "C000001"
    )
    assert database.read_now(lambda conn: conn.execute(stored).scalar_one()) == "NEW"


def test_a_participant_takes_a_revision_for_what_gates_do_not_see(database):
    """The search follows revisions: what it shows must not stay old."""
    before, digest = head(database), database.read_now(revisions.digest)
    assert upsert(database, schema.participants, {"participant_id": "P000001", "region": "US"})
    assert head(database) == before + 1
    assert database.read_now(revisions.digest) == digest
    assert database.read_now(verify) == []


def test_a_partners_device_is_not_replicated(database):
    before = head(database)
    assert upsert(database, schema.devices, device_row("partner:app", "north"))
    assert upsert(database, schema.devices, device_row("partner:app", "south"))
    assert head(database) == before
    assert database.read_now(verify) == []


def test_many_rows_at_once_equal_the_same_rows_one_by_one(new_database):
    many, single = new_database("many", people=0), new_database("single", people=0)
    rows = [participant_row(n) for n in (1, 2, 3)] + [participant_row(2, status="blocked")]
    written = many.write_now(lambda conn: revisions.upsert_many(conn, schema.participants, rows))
    assert written == 3
    for row in rows:
        upsert(single, schema.participants, row)
    assert many.read_now(revisions.digest) == single.read_now(revisions.digest)
    again = many.write_now(lambda conn: revisions.upsert_many(conn, schema.participants, rows))
    assert again == 0


def test_the_digest_is_the_sum_of_the_rows(database):
    upsert(database, schema.credentials, credential_row(1, status="revoked"))

    def total(conn):
        return sum(
            int(value, 16)
            for table in schema.REPLICATED
            for value in conn.execute(select(table.c.hash)).scalars()
        )

    assert (
        database.read_now(revisions.digest) == f"{database.read_now(total) % DIGEST_MODULUS:032x}"
    )
