"""The gate's own entries: scans, resolutions, notes; one sequence, never a gap (DESIGN §2, P1, P2).

One thread, the lane's, calls everything here but `entries_from`, `lost_ranges` and `head`, which
any thread may call. A call that returns is durable: WAL with synchronous FULL.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog

from edge_agent.storage import journal_rows, salvage, sqlite_file
from edge_agent.storage.journal_rows import (
    COLUMNS,
    EPOCHS,
    INSERT,
    KINDS,
    SEQ_BITS,
    SEQ_MASK,
    Row,
    encode,
    name_all,
    row_sum,
    write_epoch,
)
from shared import wire

log = structlog.get_logger(__name__)
T = TypeVar("T")
# A checkpoint costs two more syncs; `tidy` makes it while nobody waits, this is the backstop. Not
# larger: a WAL that still grows costs a third more a commit than one that is written over.
_CHECKPOINT_PAGES_MAX = 1_000
_PAGE_ROWS = 1_000
_NO_HEADS: Mapping[str, int] = {}

EntryType = Literal["scan", "resolution", "note"]


@dataclass(frozen=True, slots=True)
class Appended:
    seq: int
    checksum: str | None  # of the wire entry; None while not sealed


class Journal:
    """`journal.db`. `epoch` is 16 hex digits; `head` the last sequence number of it, 0 for none.

    A file that proves damaged, at start or later, is salvaged on the lane's thread: its sound rows
    go on in a new file, the damaged one is set aside, and a new epoch begins.
    """

    def __init__(self, path: Path, conn: sqlite3.Connection, new_epoch: Callable[[], str]) -> None:
        self.received: dict[str, int] = {}
        """By epoch, what the server is known to hold; kept by whoever hears from it."""
        self.life = 0
        """Counts the files that stood under this journal's name since it was opened."""
        self._path = path
        self._new_epoch = new_epoch
        self._reader_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._take(conn)

    def _take(self, conn: sqlite3.Connection) -> None:
        """Stand on this connection: where the file's newest epoch left off."""
        self._conn = conn
        self.life += 1
        self._damaged: set[int] = set()
        newest = "SELECT number, epoch FROM epochs ORDER BY number DESC LIMIT 1"
        number, epoch = conn.execute(newest).fetchone()
        self._number, self.epoch = int(number), str(epoch)
        self._base = self._number << SEQ_BITS
        top = conn.execute(
            "SELECT max(id) FROM entries WHERE id > ? AND id <= ?",
            (self._base, self._base | SEQ_MASK),
        ).fetchone()[0]
        self.head: int = 0 if top is None else top & SEQ_MASK
        self.unsealed_count: int = self._count_unsealed()
        self.last_occurred_ms: int = self.last_occurred_of(self.epoch)
        self._heads = {
            epoch: (last or 0) & SEQ_MASK for epoch, last in conn.execute(EPOCHS).fetchall()
        }
        self._inodes = sqlite_file.inodes(self._path)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        new_epoch: Callable[[], str],
        received: Mapping[str, int] = _NO_HEADS,
    ) -> "Journal":
        """Open or make the journal. `received`: what the server is known to hold, by epoch."""
        salvage.finish(path)
        report = None
        try:
            if sqlite_file.lost_its_start(path):
                raise sqlite_file.DamagedFileError
            journal = cls(path, cls._connect(path, new_epoch), new_epoch)
        except (sqlite3.DatabaseError, sqlite_file.DamagedFileError) as error:
            if not sqlite_file.is_damage(error):
                raise
            log.error("journal_damaged", error=str(error))  # noqa: TRY400 — one line
            report = salvage.salvage(path, new_epoch=new_epoch, heads=received, received=received)
            journal = cls(path, cls._connect(path, new_epoch), new_epoch)
        journal.received.update(received)
        if report is not None:
            journal._tell(report)
        return journal

    @staticmethod
    def _connect(path: Path, new_epoch: Callable[[], str]) -> sqlite3.Connection:
        conn = sqlite_file.connect(path, synchronous="FULL")
        try:
            sqlite_file.migrate(conn, "journal", path)
            sqlite_file.check_schema(conn, "journal")
            conn.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES_MAX}")
            if conn.execute("SELECT 1 FROM epochs").fetchone() is None:
                write_epoch(conn, 1, new_epoch(), "first")
            name_all(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def mend(self, life: int | None = None) -> None:
        """Salvage a file found damaged (in that life of it). On the lane's thread."""
        if life not in {None, self.life}:
            return
        heads = {**self.received, **self._heads, self.epoch: self.head}
        with self._reader_lock:
            self._close_both()
            report = salvage.salvage(
                self._path, new_epoch=self._new_epoch, heads=heads, received=self.received
            )
            self._take(self._connect(self._path, self._new_epoch))
        log.error("journal_salvaged", aside=report.aside, saved=report.saved, lost=report.lost)
        self._tell(report)

    def _tell(self, report: salvage.Report) -> None:
        """The first entry of the new epoch says at the server what happened here."""
        data = {"aside": report.aside, "saved": report.saved, "lost": report.lost}
        self.append_note({"note": "journal_salvaged", "data": data}, at_ms=0)

    def _mended(self, job: Callable[[], T]) -> T:
        """On the lane's thread: where the file proves damaged, salvage it and go on."""
        try:
            return job()
        except sqlite3.DatabaseError as error:
            if not sqlite_file.is_damage(error):
                raise
            log.error("journal_damaged", error=str(error))  # noqa: TRY400 — one line
        self.mend()
        return job()

    def _put_back(self) -> None:
        """The file or its WAL was deleted or replaced under us: what we still hold open is whole,
        and goes back to where the next start will look for it.
        """
        log.error("journal_file_gone")
        target = salvage.new_path(self._path)
        with self._reader_lock:
            sqlite_file.copy_out(self._conn, target)
            self._close_both()
            sqlite_file.remove_sides(self._path)
            sqlite_file.replace(target, self._path)
            self._take(self._connect(self._path, self._new_epoch))

    def probe(self) -> None:
        """One durable write that changes nothing: can the card still take one? And how fast?"""
        self._mended(
            lambda: self._conn.execute(
                "UPDATE epoch_names SET epoch = epoch WHERE number = ?", (self._number,)
            )
        )

    def append_scan(self, body: dict[str, Any], *, at_ms: int, sealed: bool = False) -> Appended:
        """Write one scan durably. With `sealed` the body holds its final times already, and `at_ms`
        is its `occurredAt`.
        """
        return self._append("scan", body, at_ms, sealed=sealed)

    def append_resolution(self, body: dict[str, Any], *, at_ms: int) -> Appended:
        return self._append("resolution", body, at_ms, sealed=True)

    def append_note(self, body: dict[str, Any], *, at_ms: int) -> Appended:
        return self._append("note", body, at_ms, sealed=True)

    def _append(
        self, entry_type: EntryType, body: dict[str, Any], at_ms: int, *, sealed: bool
    ) -> Appended:
        """One INSERT that is its own transaction: when it fails, nothing of it remains."""
        if self._is_gone():
            self._put_back()
        return self._mended(lambda: self._insert(entry_type, body, at_ms, sealed=sealed))

    def _is_gone(self) -> bool:
        return sqlite_file.inodes(self._path) != self._inodes

    def _insert(
        self, entry_type: EntryType, body: dict[str, Any], at_ms: int, *, sealed: bool
    ) -> Appended:
        seq = self.head + 1
        entry = {**body, "type": entry_type, "seq": seq}
        check = None
        data = encode(entry)
        if sealed:
            check = hashlib.sha256(data).hexdigest()[:16]
            data = b'%s,"checksum":"%s"}' % (data[:-1], check.encode())
        row_id = self._base + seq
        self._conn.execute(
            INSERT,
            (
                row_id,
                KINDS[entry_type],
                at_ms,
                sealed,
                data.decode(),
                row_sum(row_id, sealed, data),
            ),
        )
        self.head = seq
        if not sealed:
            self.unsealed_count += 1
        elif entry_type == "scan":
            self.last_occurred_ms = at_ms
        return Appended(seq, check)

    def start_epoch(self, epoch: str, cause: str) -> None:
        """Go on under a new epoch, from 1; the entries of the old one stay and are still offered."""
        number = self._number + 1
        self._mended(lambda: write_epoch(self._conn, number, epoch, cause))
        self._heads[self.epoch], self._number, self._base = self.head, number, number << SEQ_BITS
        self.epoch, self.head, self.unsealed_count, self.last_occurred_ms = epoch, 0, 0, 0

    def unsealed_epoch(self) -> str | None:
        """The oldest epoch with entries whose times are not final yet."""
        for (row_id,) in self._conn.execute("SELECT id FROM entries WHERE sealed = 0 ORDER BY id"):
            if row_id not in self._damaged:
                of = (row_id >> SEQ_BITS,)
                row = self._conn.execute("SELECT epoch FROM epochs WHERE number = ?", of).fetchone()
                return None if row is None else str(row[0])
        self.unsealed_count = 0  # another thread may have found the last ones damaged
        return None

    def unsealed(self, limit: int, epoch: str | None = None) -> list[Row]:
        """The oldest entries of an epoch (this one) whose times are not final yet, in sequence."""
        base = self._base_of(epoch)
        found = self._mended(
            lambda: self._conn.execute(
                f"SELECT {COLUMNS} FROM entries"  # noqa: S608 — constants
                " WHERE sealed = 0 AND id > ? AND id <= ? ORDER BY id LIMIT ?",
                (base, base | SEQ_MASK, limit),
            ).fetchall()
        )
        rows = list(self._sound(found))
        if len(rows) != len(found):
            self.unsealed_count = self._count_unsealed()
        return rows

    def seal(self, rows: Sequence[tuple[int, dict[str, Any]]], epoch: str | None = None) -> None:
        """Replace bodies by their final form (seq, whole wire entry with checksum), in one commit.

        An entry that is sealed already keeps its values: sealed values never change (DESIGN §4.3).
        """
        base = self._base_of(epoch)
        with sqlite_file.transaction(self._conn):
            for seq, body in rows:
                row_id, data = base + seq, encode(body)
                self._conn.execute(
                    "UPDATE entries SET body = ?, sealed = 1, sum = ? WHERE id = ? AND sealed = 0",
                    (data.decode(), row_sum(row_id, True, data), row_id),
                )
        self.unsealed_count = self._count_unsealed()
        self.last_occurred_ms = self.last_occurred_of(self.epoch)

    def unsealed_in(self, epoch: str) -> int:
        """How many entries of an epoch wait for their times. Any thread."""
        found = self._read("SELECT number FROM epochs WHERE epoch = ?", (epoch,))
        base = found[0][0] << SEQ_BITS if found else 0
        sql = "SELECT id FROM entries WHERE sealed = 0 AND id > ? AND id <= ?"
        waiting = self._read(sql, (base, base | SEQ_MASK))
        return sum(row_id not in self._damaged for (row_id,) in waiting)

    def entries_from(self, seq: int, limit: int, epoch: str | None = None) -> list[dict[str, Any]]:
        """Sealed wire entries from `seq` on, up to the first that is not sealed. Any thread.

        A row whose sum fails is left out and named by `lost_ranges`.
        """
        base = self._base
        if epoch is not None and epoch != self.epoch:
            found = self._read("SELECT number FROM epochs WHERE epoch = ?", (epoch,))
            if not found:
                return []
            base = found[0][0] << SEQ_BITS
        found = self._read(
            f"SELECT {COLUMNS} FROM entries"  # noqa: S608 — constants
            " WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
            (base + seq, base | SEQ_MASK, limit),
        )
        entries: list[dict[str, Any]] = []
        expected = seq
        for row in self._sound(found):
            if not row.sealed:
                break
            self._damaged.update(base + missing for missing in range(expected, row.seq))
            expected = row.seq + 1
            entries.append(row.body)
        return entries

    def scans_after(self, epoch: str, seq: int) -> Iterator[Row]:
        """Scans and resolutions of an epoch after `seq`, sealed or not: what the overlay needs."""
        base = self._base_of(epoch)
        at = base + seq
        while found := self._mended(partial(self._page, at, base | SEQ_MASK)):
            at = found[-1][0]
            yield from self._sound(found)

    def _page(self, after: int, end: int) -> list[Any]:
        return self._conn.execute(journal_rows.SCANS, (after, end, _PAGE_ROWS)).fetchall()

    def newest(self, limit: int) -> list[Row]:
        """The last entries of all epochs, newest first. Any thread."""
        return list(self._sound(self._read(journal_rows.NEWEST, (limit,))))

    def epochs(self) -> list[tuple[str, int]]:
        """Every epoch of this file with its head, oldest first. Any thread."""
        return [(epoch, (top or 0) & SEQ_MASK) for epoch, top in self._read(EPOCHS)]

    def lost_ranges(self) -> list[tuple[int, int]]:
        """Sequence numbers of this epoch whose rows were found damaged. Any thread."""
        ranges: list[tuple[int, int]] = []
        for row_id in sorted(self._damaged):
            if row_id >> SEQ_BITS != self._number:
                continue
            seq = row_id & SEQ_MASK
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return ranges

    def tidy(self) -> None:
        """Checkpoint while nobody waits at the gate, so that no decision has to."""
        self._mended(lambda: self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)"))

    def close(self) -> None:
        with self._reader_lock:
            self._close_both()

    def _close_both(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._conn.close()

    def _sound(self, found: Iterable[tuple[int, int, int, bytes, bytes]]) -> Iterator[Row]:
        for row_id, at_ms, sealed, data, total in found:
            if journal_rows.is_sound(row_id, sealed, data, total):
                yield journal_rows.decode(row_id, at_ms, sealed, data)
            else:
                self._damaged.add(row_id)

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reader_lock:
            if self._reader is None:
                self._reader = sqlite_file.connect_reader(self._path)
            return self._reader.execute(sql, values).fetchall()

    def _base_of(self, epoch: str | None) -> int:
        if epoch is None or epoch == self.epoch:
            return self._base
        sql = "SELECT number FROM epochs WHERE epoch = ?"
        row = self._conn.execute(sql, (epoch,)).fetchone()
        return 0 if row is None else int(row[0]) << SEQ_BITS

    def _count_unsealed(self) -> int:
        found = self._conn.execute("SELECT id FROM entries WHERE sealed = 0").fetchall()
        return sum(row_id not in self._damaged for (row_id,) in found)

    def last_occurred_of(self, epoch: str) -> int:
        """`occurredAt` of an epoch's last sealed scan, epoch milliseconds; 0 for none."""
        base = self._base_of(epoch)
        row = self._conn.execute(
            "SELECT CAST(body AS BLOB) FROM entries WHERE id > ? AND id <= ? AND kind = 1"
            " AND sealed = 1 ORDER BY id DESC LIMIT 1",
            (base, base | SEQ_MASK),
        ).fetchone()
        if row is None:
            return 0
        try:
            return wire.parse_time(json.loads(row[0])["occurredAt"])
        except (ValueError, KeyError, TypeError):
            return 0  # a damaged row: named by lost_ranges when it is read for upload
