"""A gate's memory card: its files, power cuts between any two statements, and what they spoil.

What a commit keeps is read off the connection itself: with synchronous FULL everything, with less
a power cut may take the tail of the write-ahead log that no checkpoint has synced.
"""

import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.simulation.clockwork import PowerCutError

DATABASES = ("journal.db", "replica.db")
FILES = ("journal.db", "journal.db-wal", "replica.db", "replica.db-wal", "clock.json")
_FULL = 2


class Wire:
    """Counts a gate's statements: cuts its power before the chosen one, fills its card, lets the
    lane decide between two statements of the sync.
    """

    def __init__(self) -> None:
        self.dead = False
        self.full = False
        self.cut_in: int | None = None
        self.between: Callable[[], None] | None = None
        self.synchronous: dict[str, int] = {}

    def statement(self, sql: str, name: str) -> None:
        if self.dead:
            raise PowerCutError
        if self.cut_in is not None:
            self.cut_in -= 1
            if self.cut_in <= 0:
                self.cut_in = None
                self.dead = True
                raise PowerCutError
        if self.full and sql.startswith(("INSERT", "UPDATE")):
            raise sqlite3.OperationalError("database or disk is full")
        if self.between is not None and name == "replica.db":
            do, self.between = self.between, None
            do()


class WiredConnection:
    """A `sqlite3.Connection` as storage uses one, on a wire that may be cut."""

    def __init__(self, conn: sqlite3.Connection, wire: Wire, name: str) -> None:
        self._real = conn
        self._wire = wire
        self._name = name
        wire.synchronous[name] = conn.execute("PRAGMA synchronous").fetchone()[0]

    def execute(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        if not sql.startswith("SELECT"):
            self._wire.statement(sql, self._name)
        return self._real.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        for row in rows:
            self.execute(sql, row)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def copy(source: Path, target: Path) -> None:
    """What the card holds at this instant: SQLite recovers from the log what was committed."""
    target.mkdir(exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


def log_frames(folder: Path, name: str) -> tuple[int, int] | None:
    """Of a file's write-ahead log: the frames that a checkpoint has synced, and all of them."""
    index = folder / f"{name}-shm"
    if not index.exists():
        return None
    data = index.read_bytes()
    (frames,) = struct.unpack_from("<I", data, 16)
    (synced,) = struct.unpack_from("<I", data, 96)
    return synced, frames


def lose_tail(folder: Path, name: str, frames_kept: int) -> None:
    log = folder / f"{name}-wal"
    if not log.exists() or log.stat().st_size < 32:
        return
    with log.open("r+b") as file:
        (page_bytes,) = struct.unpack(">I", file.read(12)[8:])
        file.truncate(32 + frames_kept * (24 + page_bytes))


def lose_unsynced(
    source: Path, copied: Path, synchronous: dict[str, int], pick: Callable[[int, int], int]
) -> list[str]:
    """Power is gone: what no disk sync had reached may be missing. Names the files that lost."""
    lost: list[str] = []
    for name in DATABASES:
        found = log_frames(source, name)
        if synchronous.get(name, _FULL) >= _FULL or found is None or found[0] >= found[1]:
            continue
        kept = pick(found[0], found[1])
        if kept < found[1]:
            lose_tail(copied, name, kept)
            lost.append(name)
    return lost


def spoil_replica(folder: Path) -> None:
    (folder / "replica.db-wal").unlink(missing_ok=True)
    (folder / "replica.db").write_bytes(b"no database any more" * 100)


def spoil_row(folder: Path, pick: Callable[[int], int]) -> tuple[str, int] | None:
    """Flip a digit of one scan on the card; returns its epoch and sequence number."""
    conn = sqlite3.connect(folder / "journal.db", isolation_level=None)
    try:
        rows = conn.execute("SELECT id, body FROM entries WHERE kind = 1 ORDER BY id").fetchall()
        if not rows:
            return None
        row_id, body = rows[pick(len(rows))]
        at = body.index('"bootMs":') + len('"bootMs":')
        other = "7" if body[at] != "7" else "3"
        spoilt = body[:at] + other + body[at + 1 :]
        conn.execute("UPDATE entries SET body = ? WHERE id = ?", (spoilt, row_id))
        number = (row_id >> 40,)
        epoch = conn.execute("SELECT epoch FROM epochs WHERE number = ?", number).fetchone()[0]
        return epoch, row_id & ((1 << 40) - 1)
    finally:
        conn.close()


def entries_of(folder: Path) -> list[tuple[str, int, str]]:
    """Every entry on a card, as an onlooker reads it: epoch, sequence number, body."""
    conn = sqlite3.connect(folder / "journal.db")
    try:
        epochs = dict(conn.execute("SELECT number, epoch FROM epochs"))
        return [
            (epochs[row_id >> 40], row_id & ((1 << 40) - 1), body)
            for row_id, body in conn.execute("SELECT id, body FROM entries ORDER BY id")
        ]
    finally:
        conn.close()
