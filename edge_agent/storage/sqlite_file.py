"""Opening a SQLite file of the gate: pragmas, numbered migrations, damage set aside."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from edge_agent.durable_file import sync_file, sync_folder
from edge_agent.storage.carve import PAGE_BYTES
from shared.errors import NewerDataError, TransientError, UsageError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 5.0
_DAMAGED_KEPT_MAX = 100
_SIDES = ("-wal", "-shm")


class DamagedFileError(TransientError):
    """A file of the gate is not a database any more."""


def connect(path: Path, *, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
    """The one writing connection of a file. Transactions are begun and ended by hand.

    `check_same_thread` is off because a file's owner thread may change at start-up and shutdown;
    the classes of this room say who may call what.
    """
    path.touch(mode=0o600)  # SQLite gives the side files the same mode
    conn = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    conn.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a new file
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


def migrate(
    conn: sqlite3.Connection, name: Literal["journal", "replica", "badges"], path: Path
) -> None:
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


def check_schema(conn: sqlite3.Connection, name: Literal["journal", "replica", "badges"]) -> None:
    """DamagedFileError where the tables are not those that the migrations make."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(fresh, name, Path(":memory:"))
        if _tables(conn) != _tables(fresh):
            raise DamagedFileError(f"{name}.db does not hold the tables of a {name}")
    finally:
        fresh.close()


def _tables(conn: sqlite3.Connection) -> set[tuple[str, str]]:
    # Not SQLite's own: its statistics come and go.
    sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'"
    return set(conn.execute(sql))


def lost_its_start(path: Path) -> bool:
    """An empty or missing file beside a WAL that holds something: SQLite would throw that away."""
    wal = path.with_name(path.name + "-wal")
    size = path.stat().st_size if path.exists() else 0
    return size == 0 and wal.exists() and wal.stat().st_size > 0


def inodes(path: Path) -> tuple[int, ...]:
    """Which files stand under the names of a database and its WAL now; 0 for none."""
    return tuple(_inode(name) for name in (path, path.with_name(path.name + "-wal")))


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 — each decision asks: a third of Path.stat's cost
    except FileNotFoundError:
        return 0


def copy_out(conn: sqlite3.Connection, target: Path) -> None:
    """All that the connection sees into a new file, whole and synced."""
    remove(target)
    target.touch(mode=0o600)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        conn.backup(copy)
    finally:
        copy.close()
    sync_file(target)


def replace(target: Path, path: Path) -> None:
    target.replace(path)
    sync_folder(path.parent)


def free_name(path: Path) -> Path:
    """`NAME.damaged-N` that is not taken: nothing that was set aside is ever overwritten."""
    for number in range(1, _DAMAGED_KEPT_MAX + 1):
        target = path.with_name(f"{path.name}.damaged-{number}")
        if not target.exists():
            return target
    raise UsageError(
        f"{path.parent} holds {_DAMAGED_KEPT_MAX} damaged files already: take them away, and "
        "replace the card"
    )


def move_with_sides(path: Path, target: Path) -> None:
    """The file first: as long as its name is taken, an interrupted salvage begins anew."""
    if path.exists():
        path.rename(target)
    for suffix in _SIDES:
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    remove_sides(path)


def remove_sides(path: Path) -> None:
    for suffix in _SIDES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, as opposed to a full disk or a busy lock."""
    if isinstance(error, DamagedFileError):
        return True
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or code in {
        sqlite3.SQLITE_ERROR,  # no such table or column, malformed schema
        sqlite3.SQLITE_IOERR_SHORT_READ,
    }
