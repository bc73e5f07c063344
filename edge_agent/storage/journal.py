"""The gate's own entries: scans, resolutions, notes; one sequence, never a gap (DESIGN §2, P1, P2).

One thread, the lane's, calls everything here but `entries_from`, `lost_ranges` and `head`, which
any thread may call. A call that returns is durable: WAL with synchronous FULL.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from edge_agent.storage import sqlite_file
from shared import wire

_SEQ_BITS = 40
_SEQ_MASK = (1 << _SEQ_BITS) - 1
_KINDS: dict[str, int] = {"scan": 1, "resolution": 2, "note": 3}
# A checkpoint costs two more syncs; `tidy` makes it while nobody waits, this is the backstop. Not
# larger: a WAL that still grows costs a third more a commit than one that is written over.
_CHECKPOINT_PAGES_MAX = 1_000
_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)"

EntryType = Literal["scan", "resolution", "note"]


class Row(NamedTuple):
    """An entry as written down; `body` lacks `checksum` (and the sealed times) until sealed."""

    seq: int
    at_ms: int  # the gate's best time when it was written
    sealed: bool
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Appended:
    seq: int
    checksum: str | None  # of the wire entry; None while not sealed


class Journal:
    """`journal.db`. `epoch` is 16 hex digits; `head` the last sequence number of it, 0 for none."""

    def __init__(self, path: Path, conn: sqlite3.Connection, epoch: str, number: int) -> None:
        self._path = path
        self._conn = conn
        self._reader_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._damaged: set[int] = set()
        self.epoch = epoch
        self._number = number
        self._base = number << _SEQ_BITS
        top = conn.execute(
            "SELECT max(id) FROM entries WHERE id > ? AND id <= ?",
            (self._base, self._base | _SEQ_MASK),
        ).fetchone()[0]
        self.head: int = 0 if top is None else top & _SEQ_MASK
        self.unsealed_count: int = self._count_unsealed()
        self.last_occurred_ms: int = self._last_occurred()

    @classmethod
    def open(cls, path: Path, *, new_epoch: Callable[[], str]) -> "Journal":
        """Open or make the journal. A file that is no database any more is set aside, never
        deleted, and a new epoch begins: a gate that could not go on would help nobody.
        """
        try:
            return cls._open(path, new_epoch, "first")
        except sqlite3.DatabaseError as error:
            if not sqlite_file.is_damage(error):
                raise
            sqlite_file.set_aside(path)
            return cls._open(path, new_epoch, "damaged")

    @classmethod
    def _open(cls, path: Path, new_epoch: Callable[[], str], cause: str) -> "Journal":
        conn = sqlite_file.connect(path, synchronous="FULL")
        try:
            sqlite_file.migrate(conn, "journal", path)
            conn.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES_MAX}")
            last = "SELECT number, epoch FROM epochs ORDER BY number DESC LIMIT 1"
            row = conn.execute(last).fetchone()
            if row is None:
                row = (1, new_epoch())
                conn.execute("INSERT INTO epochs VALUES (?, ?, ?)", (*row, cause))
            return cls(path, conn, row[1], row[0])
        except BaseException:
            conn.close()
            raise

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
        seq = self.head + 1
        entry = {**body, "type": entry_type, "seq": seq}
        check = None
        data = _encode(entry)
        if sealed:
            check = hashlib.sha256(data).hexdigest()[:16]
            data = b'%s,"checksum":"%s"}' % (data[:-1], check.encode())
        row_id = self._base + seq
        self._conn.execute(
            _INSERT,
            (
                row_id,
                _KINDS[entry_type],
                at_ms,
                sealed,
                data.decode(),
                _row_sum(row_id, sealed, data),
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
        self._conn.execute("INSERT INTO epochs VALUES (?, ?, ?)", (number, epoch, cause))
        self._number, self._base = number, number << _SEQ_BITS
        self.epoch, self.head, self.unsealed_count, self.last_occurred_ms = epoch, 0, 0, 0

    def unsealed(self, limit: int) -> list[Row]:
        """The oldest entries of this epoch whose times are not final yet, in sequence order."""
        found = self._conn.execute(
            "SELECT id, at_ms, sealed, body, sum FROM entries"
            " WHERE sealed = 0 AND id > ? ORDER BY id LIMIT ?",
            (self._base, limit),
        )
        return list(self._sound(found))

    def seal(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Replace bodies by their final form (seq, whole wire entry with checksum), in one commit.

        An entry that is sealed already keeps its values: sealed values never change (DESIGN §4.3).
        """
        with sqlite_file.transaction(self._conn):
            for seq, body in rows:
                row_id, data = self._base + seq, _encode(body)
                self._conn.execute(
                    "UPDATE entries SET body = ?, sealed = 1, sum = ? WHERE id = ? AND sealed = 0",
                    (data.decode(), _row_sum(row_id, True, data), row_id),
                )
        self.unsealed_count = self._count_unsealed()
        self.last_occurred_ms = self._last_occurred()

    def entries_from(self, seq: int, limit: int, epoch: str | None = None) -> list[dict[str, Any]]:
        """Sealed wire entries from `seq` on, up to the first that is not sealed. Any thread.

        A row whose sum fails is left out and named by `lost_ranges`.
        """
        base = self._base
        if epoch is not None and epoch != self.epoch:
            found = self._read("SELECT number FROM epochs WHERE epoch = ?", (epoch,))
            if not found:
                return []
            base = found[0][0] << _SEQ_BITS
        found = self._read(
            "SELECT id, at_ms, sealed, body, sum FROM entries"
            " WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
            (base + seq, base | _SEQ_MASK, limit),
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
        base = self._conn.execute(
            "SELECT number << 40 FROM epochs WHERE epoch = ?", (epoch,)
        ).fetchone()[0]
        found = self._conn.execute(
            "SELECT id, at_ms, sealed, body, sum FROM entries"
            " WHERE id > ? AND id <= ? AND kind < 3 ORDER BY id",
            (base + seq, base | _SEQ_MASK),
        )
        return self._sound(found)

    def epochs(self) -> list[tuple[str, int]]:
        """Every epoch of this file with its head, oldest first. Any thread."""
        found = self._read(
            "SELECT e.epoch, (SELECT max(id) FROM entries WHERE id > (e.number << 40)"
            " AND id < ((e.number + 1) << 40)) FROM epochs e ORDER BY e.number"
        )
        return [(epoch, (top or 0) & _SEQ_MASK) for epoch, top in found]

    def lost_ranges(self) -> list[tuple[int, int]]:
        """Sequence numbers of this epoch whose rows were found damaged. Any thread."""
        ranges: list[tuple[int, int]] = []
        for row_id in sorted(self._damaged):
            if row_id >> _SEQ_BITS != self._number:
                continue
            seq = row_id & _SEQ_MASK
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return ranges

    def tidy(self) -> None:
        """Checkpoint while nobody waits at the gate, so that no decision has to."""
        self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self._conn.close()

    def _sound(self, found: Iterable[tuple[int, int, int, str, bytes]]) -> Iterator[Row]:
        for row_id, at_ms, sealed, text, total in found:
            if _row_sum(row_id, bool(sealed), text.encode()) != total:
                self._damaged.add(row_id)
                continue
            yield Row(row_id & _SEQ_MASK, at_ms, bool(sealed), json.loads(text))

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reader_lock:
            if self._reader is None:
                self._reader = sqlite_file.connect_reader(self._path)
            return self._reader.execute(sql, values).fetchall()

    def _count_unsealed(self) -> int:
        sql = "SELECT id FROM entries WHERE sealed = 0 AND id > ?"
        found = self._conn.execute(sql, (self._base,)).fetchall()
        return sum(row_id not in self._damaged for (row_id,) in found)

    def _last_occurred(self) -> int:
        """`occurredAt` of the last sealed scan of this epoch, epoch milliseconds; 0 for none."""
        row = self._conn.execute(
            "SELECT body FROM entries WHERE id > ? AND kind = 1 AND sealed = 1"
            " ORDER BY id DESC LIMIT 1",
            (self._base,),
        ).fetchone()
        if row is None:
            return 0
        try:
            return wire.parse_time(json.loads(row[0])["occurredAt"])
        except (ValueError, KeyError, TypeError):
            return 0  # a damaged row: named by lost_ranges when it is read for upload


# Canonical as `wire.canonical` makes it, several times faster; a test compares the two. Where they
# would differ (floats like 1e-5), the checksum over what stands here would not be the server's.
_encode = msgspec.json.Encoder(order="sorted").encode


def _row_sum(row_id: int, sealed: bool, data: bytes) -> bytes:
    return hashlib.blake2b(b"%d %d %s" % (row_id, sealed, data), digest_size=8).digest()
