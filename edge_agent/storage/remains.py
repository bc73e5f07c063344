"""What is left of a damaged replica, for as long as no new list has come (P5).

The damaged file stays beside the new one until that is whole: what can still be read of it goes on
deciding. Event, gates, keys and operators have a small second copy, so that even with nothing left
a gate still opens on signed tickets.
"""

import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any

import structlog

from edge_agent.durable_file import write_whole
from edge_agent.storage import sqlite_file

log = structlog.get_logger(__name__)

_CREDENTIAL = (
    "SELECT credential_id, participant_id, kind, status, valid_from_ms, valid_until_ms, revision"
    " FROM credentials_{0} WHERE digest = ?"
)
_PARTICIPANT = (
    "SELECT participant_id, masked_name, status, permissions FROM participants_{0}"
    " WHERE participant_id = ?"
)
_PRESENCE = (
    "SELECT revision, inside, last_ms, last_error_ms, last_direction, last_gate_id,"
    " first_entry_ms, last_entry_ms, conflict FROM presences_{0} WHERE participant_id = ?"
)

Reference = list[tuple[Any, ...]]


def remains_path(replica: Path) -> Path:
    """One only: a list can be fetched again, so the next damage takes its place."""
    return replica.with_name(replica.name + ".damaged-1")


def reference_path(replica: Path) -> Path:
    return replica.with_name("reference.json")


def put_aside(replica: Path) -> None:
    sqlite_file.remove(remains_path(replica))
    sqlite_file.move_with_sides(replica, remains_path(replica))


def forget(replica: Path) -> None:
    sqlite_file.remove(remains_path(replica))


def save_reference(replica: Path, rows: Reference) -> None:
    """Type, key, body, revision and hash in hex of each reference row."""
    data = [[kind, key, body, revision, total.hex()] for kind, key, body, revision, total in rows]
    write_whole(reference_path(replica), json.dumps(data, ensure_ascii=False).encode())


def load_reference(replica: Path) -> Reference:
    try:
        rows = json.loads(reference_path(replica).read_bytes())
        return [
            (kind, key, body, revision, bytes.fromhex(total))
            for kind, key, body, revision, total in rows
        ]
    except (OSError, ValueError, TypeError):
        return []


def acknowledgements(replica: Path) -> list[tuple[Any, ...]]:
    """Upload progress, if that page can be read; without it the journal is offered again."""
    remains = Remains(replica)
    try:
        return remains.rows("SELECT epoch, through, generation, revision FROM acks")
    finally:
        remains.close()


def check_state(conn: sqlite3.Connection) -> None:
    row = conn.execute("SELECT live, generation, revision, reference_version FROM state").fetchone()
    if row is None or row[0] not in {"a", "b"} or not all(isinstance(n, int) for n in row[2:]):
        raise sqlite_file.DamagedFileError("replica.db does not say how far it has read")


def seed(conn: sqlite3.Connection, path: Path) -> None:
    """A file made anew knows the gate's place by the second copy, and what was acknowledged."""
    live, generation, version = conn.execute(
        "SELECT live, generation, reference_version FROM state"
    ).fetchone()
    held = conn.execute(f"SELECT 1 FROM reference_{live}").fetchone()  # noqa: S608
    rows = load_reference(path)
    if generation is not None or held or not rows:
        return
    with sqlite_file.transaction(conn):
        conn.executemany(f"INSERT INTO reference_{live} VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608
        conn.executemany("INSERT OR IGNORE INTO acks VALUES (?, ?, ?, ?)", acknowledgements(path))
        # Beyond any version that a reader of the file before has seen.
        conn.execute("UPDATE state SET reference_version = ?", (version + secrets.randbits(40),))


def has_list(replica: Path) -> bool:
    """Whether a list is live in a damaged file, as far as that can be told."""
    conn = sqlite_file.connect_reader(replica)
    try:
        row = conn.execute("SELECT generation FROM state").fetchone()
    except sqlite3.DatabaseError:
        return False
    else:
        return row is not None and row[0] is not None
    finally:
        conn.close()


class Remains:
    """Reads of one thread in the damaged file. What can't be read is as if it were not there."""

    def __init__(self, replica: Path) -> None:
        path = remains_path(replica)
        self._conn: sqlite3.Connection | None = None
        if path.exists():
            self._conn = sqlite_file.connect_reader(path)
            # Else SQLite reads nothing at all of a file that was cut short.
            self._conn.execute("PRAGMA writable_schema=ON")
        self._live = next(iter(self.rows("SELECT live FROM state")), ("a",))[0]
        if self._live not in {"a", "b"}:
            self._live = "a"

    def find(self, key: bytes | str) -> list[tuple[Any, ...]]:
        """Rows as the replica's own statements give them, without a generation. Table by table: one
        that can't be read hides no other; but a credential whose person can't be read is unknown.
        """
        for side in (self._live, "b" if self._live == "a" else "a"):
            if isinstance(key, str):
                credentials: list[tuple[Any, ...]] = [(None, key, None, None, None, None, 0)]
            else:
                credentials = self.rows(_CREDENTIAL.format(side), (key,))
            found = [
                (
                    side,
                    None,
                    0,
                    0,
                    0,
                    *one[:6],
                    *person,
                    *self._presence(side, one[1]),
                    one[6],
                    None,
                )
                for one in credentials
                for person in self.rows(_PARTICIPANT.format(side), (one[1],))
            ]
            if found:
                return found
        return []

    def _presence(self, side: str, participant_id: str) -> tuple[Any, ...]:
        rows = self.rows(_PRESENCE.format(side), (participant_id,))
        return rows[0] if rows else (None,) * 9

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if self._conn is None:
            return []
        try:
            return self._conn.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            log.debug("remains_unreadable", error=str(error))
            return []

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
