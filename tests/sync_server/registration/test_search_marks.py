"""Participants and tickets of before migration 0006 get their marks: gates find them too."""

from typing import Any

import pytest
from sqlalchemy import select, update

from shared import findable
from shared.errors import TransientError
from sync_server.registration import search_marks
from sync_server.registration.search_marks import SearchMarks
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.lines import hash_of
from tests.sync_server.registration.deployments import deployment, everything, import_text, people

LIST = "id,name,email,phone\n" + "".join(
    f"P{n},홍길동{n},p{n}@example.org,010-1234-{n:04}\n" for n in range(1, 8)
)


@pytest.fixture
def made(tmp_path):
    with deployment(tmp_path / "server") as made:
        import_text(made, LIST)
        yield made


def as_before_0006(conn: Any) -> None:
    """Rows as the programs of 0005 wrote them: no marks, and hashes and digest without them."""
    total = int(revisions.digest(conn), 16)
    for table, column in ((schema.participants, "find"), (schema.credentials, "mark")):
        (key,) = table.primary_key.columns
        for row in list(mappings(conn, select(table))):
            bare = {**row, column: None}
            bare["hash"] = hash_of(table.name, bare)
            total += int(bare["hash"], 16) - int(row["hash"], 16)
            conn.execute(update(table).where(key == row[key.name]).values(bare))
    conn.execute(update(schema.state).values(digest=f"{total % (1 << 128):032x}"))


def sum_of_hashes(made: Any) -> str:
    rows = everything(made)
    replicated = (
        "events",
        "gates",
        "participants",
        "credentials",
        "presences",
        "devices",
        "people",
    )
    total = sum(int(row["hash"], 16) for name in replicated for row in rows[name])
    return f"{total % (1 << 128):032x}"


def marks(made: Any) -> SearchMarks:
    return SearchMarks(made.database, made.vault, made.keys.digest)


async def test_old_rows_get_the_marks_that_a_fresh_import_writes(made, monkeypatch):
    monkeypatch.setattr(search_marks, "CHUNK_ROWS", 3)  # several transactions
    fresh = everything(made)
    made.database.write_now(as_before_0006)
    head = made.database.read_now(revisions.head)
    await marks(made).run()
    now = everything(made)
    for table, column, key in (
        ("participants", "find", "participant_id"),
        ("credentials", "mark", "credential_id"),
    ):
        wanted = {row[key]: row[column] for row in fresh[table]}
        assert {row[key]: row[column] for row in now[table]} == wanted
        assert all(row["revision"] > head.revision for row in now[table]), "gates fetch them"
    digest = findable.query_of(made.keys.digest, "0003").any_of[0]
    assert [one for one, row in people(made).items() if digest in row["find"].split()] == ["P3"]


async def test_p3_the_digest_of_the_whole_stays_true(made):
    before = sum_of_hashes(made)
    assert made.database.read_now(revisions.digest) == before
    made.database.write_now(as_before_0006)
    assert made.database.read_now(revisions.digest) == sum_of_hashes(made) != before
    await marks(made).run()
    assert made.database.read_now(revisions.digest) == sum_of_hashes(made) == before


async def test_nothing_to_do_moves_nothing(made):
    head = made.database.read_now(revisions.head)
    await marks(made).run()
    assert made.database.read_now(revisions.head) == head


async def test_a_database_that_is_away_is_asked_again(made, monkeypatch):
    monkeypatch.setattr(search_marks, "RETRY_S", 0)
    made.database.write_now(as_before_0006)
    real, failures = made.database.write, iter([TransientError("away"), TransientError("away")])

    async def write(job):
        for failure in failures:
            raise failure
        return await real(job)

    monkeypatch.setattr(made.database, "write", write)
    await marks(made).run()
    assert all(row["find"] for row in people(made).values())
