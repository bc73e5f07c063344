"""How the journal writes a row, and how it knows one to be sound: each carries its own checksum."""

import hashlib
import json
import sqlite3
from typing import Any, NamedTuple

import msgspec

from edge_agent.storage import sqlite_file

SEQ_BITS = 40
SEQ_MASK = (1 << SEQ_BITS) - 1
KINDS: dict[str, int] = {"scan": 1, "resolution": 2, "note": 3}
LOST_KIND = 9
COLUMNS = "id, at_ms, sealed, CAST(body AS BLOB), sum"
"""As bytes: one flipped bit makes text that is no UTF-8, and would stop a whole read."""

EPOCHS = (
    "SELECT e.epoch, (SELECT max(id) FROM entries WHERE id > (e.number << 40)"
    " AND id < ((e.number + 1) << 40)) FROM epochs e ORDER BY e.number"
)
SCANS = (
    f"SELECT {COLUMNS} FROM entries"  # noqa: S608 — constants
    " WHERE id > ? AND id <= ? AND kind < 3 ORDER BY id LIMIT ?"
)
NEWEST = f"SELECT {COLUMNS} FROM entries WHERE kind < 4 ORDER BY id DESC LIMIT ?"  # noqa: S608
INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)"

# Canonical as `wire.canonical` makes it, several times faster; a test compares the two. Where they
# would differ (floats like 1e-5), the checksum over what stands here would not be the server's.
encode = msgspec.json.Encoder(order="sorted").encode


class Row(NamedTuple):
    """An entry as written down; `body` lacks `checksum` (and the sealed times) until sealed."""

    seq: int
    at_ms: int  # the gate's best time when it was written
    sealed: bool
    body: dict[str, Any]


def row_sum(row_id: int, sealed: bool, data: bytes) -> bytes:
    return hashlib.blake2b(b"%d %d %s" % (row_id, sealed, data), digest_size=8).digest()


def is_sound(row_id: int, sealed: object, data: object, total: object) -> bool:
    """Whether these are the bytes that were written. A damaged page can hold any type."""
    return (
        isinstance(data, bytes)
        and sealed in {0, 1}
        and row_sum(row_id, bool(sealed), data) == total
    )


def name_sum(number: int, epoch: str) -> bytes:
    return row_sum(number, True, epoch.encode())


def lost_row(row_id: int) -> tuple[int, int, int, int, str, bytes]:
    """Stands where the last entry of a cut-off epoch stood. Its checksum fails on purpose: it is
    read as every other damaged row is, and declared lost.
    """
    return row_id, LOST_KIND, 0, 1, "", b""


def decode(row_id: int, at_ms: int, sealed: int, data: bytes) -> Row:
    return Row(row_id & SEQ_MASK, at_ms, bool(sealed), json.loads(data))


def write_epoch(conn: sqlite3.Connection, number: int, epoch: str, cause: str) -> None:
    with sqlite_file.transaction(conn):
        conn.execute("INSERT INTO epochs VALUES (?, ?, ?)", (number, epoch, cause))
        _name(conn, number, epoch)


def name_all(conn: sqlite3.Connection) -> None:
    """Journals of earlier versions lack the rows that say an epoch's name once more."""
    unnamed = conn.execute(
        "SELECT number, epoch FROM epochs WHERE number NOT IN (SELECT number FROM epoch_names)"
    ).fetchall()
    if unnamed:
        with sqlite_file.transaction(conn):
            for number, epoch in unnamed:
                _name(conn, number, epoch)


def _name(conn: sqlite3.Connection, number: int, epoch: str) -> None:
    conn.execute(
        "INSERT INTO epoch_names VALUES (?, ?, ?)", (number, epoch, name_sum(number, epoch))
    )
