"""`badges.db`: digests of the coming ids of rotating badges (DESIGN §7). Rebuildable."""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edge_agent.storage import sqlite_file
from shared.wire_beacons import EID_DIGEST_BYTES


class Run(NamedTuple):
    """Of one badge: digests of consecutive slots, 8 bytes each."""

    digest: bytes
    first_ms: int
    slot_ms: int
    eids: bytes

    @property
    def end_ms(self) -> int:
        return self.first_ms + self.slot_ms * (len(self.eids) // EID_DIGEST_BYTES)


class Slot(NamedTuple):
    """One id of one badge: from `starts_ms` on for `slot_ms`."""

    eid_digest: bytes
    digest: bytes
    starts_ms: int
    slot_ms: int


class Held(NamedTuple):
    cursor: str | None
    until_ms: int


class BadgeStore:
    """One connection, for any thread: whoever calls waits for who called before."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._lock = threading.Lock()
        self.version = 0  # counts changes, for who keeps a window in memory

    @classmethod
    def open(cls, path: Path) -> "BadgeStore":
        """Open or make it; one that is damaged is set aside and fetched anew."""
        try:
            return cls._open(path)
        except sqlite3.DatabaseError as error:
            if not sqlite_file.is_damage(error):
                raise
            sqlite_file.move_with_sides(path, sqlite_file.free_name(path))
            return cls._open(path)

    @classmethod
    def _open(cls, path: Path) -> "BadgeStore":
        conn = sqlite_file.connect(path, synchronous="NORMAL")
        try:
            sqlite_file.migrate(conn, "badges", path)
        except BaseException:
            conn.close()
            raise
        return cls(conn)

    def close(self) -> None:
        with self._lock:
            self._conn.close()

    def held(self) -> Held:
        with self._lock:
            return Held(*self._conn.execute("SELECT cursor, until_ms FROM state").fetchone())

    def clear(self) -> None:
        """Forget every badge: another server's life, or this device was revoked."""
        with self._lock, sqlite_file.transaction(self._conn):
            self._conn.execute("DELETE FROM runs")
            self._conn.execute("UPDATE state SET cursor = NULL, until_ms = 0")
            self.version += 1

    def replace(self, runs: Iterable[Run], cursor: str) -> None:
        """Badges that are new or changed, for all hours held, and the cursor with them."""
        runs = list(runs)
        with self._lock, sqlite_file.transaction(self._conn):
            self._conn.executemany("DELETE FROM runs WHERE digest = ?", [(r.digest,) for r in runs])
            self._insert(runs)
            self._conn.execute("UPDATE state SET cursor = ?", (cursor,))
            self.version += 1

    def extend(self, runs: Iterable[Run]) -> None:
        """Later hours of badges that are known; `reached` says when all of them are here."""
        with self._lock, sqlite_file.transaction(self._conn):
            self._insert(runs)
            self.version += 1

    def reached(self, until_ms: int, forget_before_ms: int) -> None:
        with self._lock, sqlite_file.transaction(self._conn):
            self._conn.execute("UPDATE state SET until_ms = ?", (until_ms,))
            self._conn.execute("DELETE FROM runs WHERE end_ms < ?", (forget_before_ms,))

    def window(self, from_ms: int, until_ms: int) -> list[Slot]:
        """Every id of which the slot touches that span."""
        with self._lock:
            rows = self._conn.execute(
                "SELECT digest, slot_ms, first_ms, max(0, (?1 - first_ms) / slot_ms) AS skipped,"
                " substr(eids, max(0, (?1 - first_ms) / slot_ms) * ?3 + 1,"
                "  ((?2 - ?1) / slot_ms + 2) * ?3)"
                " FROM runs WHERE end_ms > ?1 AND first_ms <= ?2",
                (from_ms, until_ms, EID_DIGEST_BYTES),
            ).fetchall()
        found = []
        for digest, slot_ms, first_ms, skipped, eids in rows:
            for place in range(len(eids) // EID_DIGEST_BYTES):
                starts_ms = first_ms + (skipped + place) * slot_ms
                if starts_ms <= until_ms:
                    piece = eids[place * EID_DIGEST_BYTES : (place + 1) * EID_DIGEST_BYTES]
                    found.append(Slot(piece, digest, starts_ms, slot_ms))
        return found

    def bytes_held(self) -> int:
        with self._lock:
            found: int = self._conn.execute(
                "SELECT coalesce(sum(length(eids)), 0) FROM runs"
            ).fetchone()[0]
        return found

    def _insert(self, runs: Iterable[Run]) -> None:
        self._conn.executemany(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
            [(run.digest, run.first_ms, run.slot_ms, run.end_ms, run.eids) for run in runs],
        )
