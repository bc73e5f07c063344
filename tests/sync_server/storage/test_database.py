"""What is SQLite's own of the store; what any store must do is in tests/contracts."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert

from shared.errors import NewerDataError, PermanentError, TransientError, UsageError
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from tests.sync_server.builders import GENERATION


def counter(name: str, value: float = 1) -> dict[str, object]:
    return {"scope": "test", "name": name, "value": value}


def test_p2_a_write_is_durable_when_it_returns(database, tmp_path):
    database.write_now(lambda conn: conn.execute(insert(schema.counters), [counter("a")]))
    with sqlite3.connect(tmp_path / "sync.db") as other:
        assert other.execute("SELECT name FROM counters").fetchall() == [("a",)]
    pragmas = database.write_now(
        lambda conn: [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert pragmas == ["wal", 2, 1]


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "sync.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerDataError, match="schema 99"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a database" * 100, b"x" * 600])
def test_what_is_no_database_is_named(tmp_path, content):
    (tmp_path / "sync.db").write_bytes(content)
    with pytest.raises(UsageError, match=r"sync\.db cannot be opened"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_another_programs_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "sync.db") as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(UsageError, match="another program"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        Database.open(f"sqlite:///{tmp_path}/nowhere/sync.db")


def test_one_writing_connection_a_file(database, tmp_path):
    with pytest.raises(PermanentError, match="open already"):
        Database.open(f"sqlite:///{tmp_path}/sync.db")


def test_a_closed_database_refuses_and_opens_again(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/sync.db"
    database = Database.open(url)
    database.write_now(lambda conn: revisions.initialise(conn, GENERATION))
    database.close()
    database.close()
    with pytest.raises(TransientError, match="shutting down"):
        database.read_now(revisions.head)
    again = Database.open(url)
    assert again.read_now(revisions.head) == (GENERATION, 0)
    again.close()
