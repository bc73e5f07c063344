"""Opening a SQLite file of the gate: pragmas, numbered migrations, damage set aside."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from shared.errors import NewerDataError, TransientError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 5.0
_DAMAGED_KEPT_MAX = 100


class DamagedFileError(TransientError):
    """A file of the gate is not a database any more."""


def connect(path: Path, *, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
    """The one writing connection of a file. Transactions are begun and ended by hand.

    `check_same_thread` is off because a file's owner thread may change at start-up and shutdown;
    the classes of this room say who may call what.
    """
    path.touch(mode=0o600)  # SQLite gives the side files the same mode
    conn = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute(f"PRAGMA synchronous={synchronous}")
    conn.execute("PRAGMA trusted_schema=OFF")
    return conn


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't write; a reader never waits for the writer (WAL)."""
    conn = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA query_only=ON")
    return conn


@contextlib.contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. A COMMIT that fails is rolled back, so nothing half-done lingers."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def migrate(conn: sqlite3.Connection, name: Literal["journal", "replica"], path: Path) -> None:
    """Bring the schema to the newest number; refuse a file written by a newer version."""
    steps = sorted((_MIGRATIONS / name).glob("[0-9]*.sql"))
    newest = int(steps[-1].name.partition("_")[0])
    current: int = conn.execute("PRAGMA user_version").fetchone()[0]
    if current > newest:
        raise NewerDataError(
            f"{path} was written by a newer version of Gatesync (schema {current}, this one knows "
            f"{newest}); install that version"
        )
    for step in steps:
        number = int(step.name.partition("_")[0])
        if number <= current:
            continue
        with transaction(conn):
            for statement in step.read_text("utf-8").split(";\n"):
                if statement.strip():
                    conn.execute(statement)
            conn.execute(f"PRAGMA user_version={number}")


def set_aside(path: Path) -> Path:
    """Rename a damaged file (and its WAL) to `NAME.damaged-N`; nothing is ever deleted."""
    for number in range(1, _DAMAGED_KEPT_MAX):
        target = path.with_name(f"{path.name}.damaged-{number}")
        if not target.exists():
            break
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))
    path.rename(target)
    return target


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, as opposed to a full disk or a busy lock."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
