"""The gate's copy of event, gates, participants, credentials, presences and operators.

One thread writes (`Replica`, the sync's); any number read (`ReplicaReader`, one per thread).
A page and its cursor are one transaction (P7). A snapshot is built in the set of tables that is
not live and swapped in with its last page, so that the old list serves until the new one is whole.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any

import structlog

from edge_agent.storage import remains, replica_rows, sqlite_file
from edge_agent.storage.replica_reader import ReplicaReader, Standing
from shared import wire
from shared.errors import TransientError

log = structlog.get_logger(__name__)

_MODULUS = wire.DIGEST_MODULUS
_TABLES = ("credentials", "participants", "presences", "reference")


class MovedError(TransientError):
    """The list was begun anew while a page of the old one was on its way: that page is dropped."""


@dataclass(frozen=True, slots=True)
class SyncState:
    """How far the server has confirmed one epoch of the journal."""

    acknowledged_through: int
    visible_at: str | None  # the cursor from which on the replica contains those entries


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a page. `digest_ok` is None where the page named none."""

    digest_ok: bool | None
    went_live: bool  # this page ended a snapshot
    rows: int


class Replica:
    """`replica.db`, as its one writer sees it."""

    def __init__(self, path: Path, conn: sqlite3.Connection) -> None:
        self.path = path
        self.standing = Standing()
        self._lock = threading.RLock()
        self._conn = conn
        self._inodes = sqlite_file.inodes(path)

    @classmethod
    def open(cls, path: Path) -> "Replica":
        """Open or make the replica; one that is damaged is put aside and fetched anew."""
        try:
            if sqlite_file.lost_its_start(path):
                raise sqlite_file.DamagedFileError
            replica = cls(path, cls._connect(path))
            if replica.generation is not None and not remains.reference_path(path).exists():
                replica._keep_reference()  # made by a version that kept no second copy
            return replica
        except (sqlite3.DatabaseError, sqlite_file.DamagedFileError) as error:
            if not sqlite_file.is_damage(error):
                raise
            log.error("replica_damaged", error=str(error))  # noqa: TRY400 — one line
        remains.put_aside(path)
        return cls(path, cls._connect(path))

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        conn = sqlite_file.connect(path, synchronous="NORMAL")
        try:
            sqlite_file.migrate(conn, "replica", path)
            sqlite_file.check_schema(conn, "replica")
            remains.check_state(conn)
            remains.seed(conn, path)
        except BaseException:
            conn.close()
            raise
        return conn

    def reader(self) -> ReplicaReader:
        return ReplicaReader(self.path, self.standing)

    @property
    def damaged(self) -> bool:
        """A damaged list was put aside, and no new one is whole yet."""
        return remains.remains_path(self.path).exists()

    def look(self) -> bool:
        """See to the file: one that a reader found damaged is put aside, to be fetched anew; one
        deleted under us is put back. Whether it was so. Any thread but the lane's: it may take
        as long as copying the list does.
        """
        with self._lock:
            if self.standing.suspect:
                self._start_anew()
            elif sqlite_file.inodes(self.path) != self._inodes:
                self._put_back()
            else:
                return False
            self._inodes = sqlite_file.inodes(self.path)
            self.standing.suspect = False
            self.standing.life += 1
        return True

    def check(self) -> None:
        """Read every page, with a connection of its own, and suspect the file if one is damaged."""
        conn = sqlite_file.connect_reader(self.path)
        try:
            sound = conn.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError as error:
            sound = not sqlite_file.is_damage(error)
        finally:
            conn.close()
        self.standing.suspect |= not sound

    def _start_anew(self) -> None:
        log.error("replica_damaged")
        self._conn.close()
        if not self.damaged or remains.has_list(self.path):
            remains.put_aside(self.path)
        else:  # damaged again before a list was whole: the first remains hold more
            sqlite_file.remove(self.path)
        self._conn = self._connect(self.path)

    def _put_back(self) -> None:
        log.error("replica_file_gone")
        target = self.path.with_name(self.path.name + ".saved")
        sqlite_file.copy_out(self._conn, target)
        self._conn.close()
        sqlite_file.remove_sides(self.path)
        sqlite_file.replace(target, self.path)
        self._conn = self._connect(self.path)

    def close(self) -> None:
        with self._lock:
            self._conn.close()

    @property
    def generation(self) -> str | None:
        """Of the live set; None before the first snapshot is whole."""
        generation: str | None = self._state("generation")
        return generation

    def live_cursor(self) -> str | None:
        """What the decisions are made on."""
        with self._lock:
            generation, revision = self._conn.execute(
                "SELECT generation, revision FROM state"
            ).fetchone()
        return None if generation is None else wire.cursor_text(generation, revision)

    def cursor(self) -> str | None:
        """What to ask the server for next: of the snapshot being built, else of the live set."""
        with self._lock:
            building, generation, revision = self._conn.execute(
                "SELECT building, building_generation, building_revision FROM state"
            ).fetchone()
        if not building:
            return self.live_cursor()
        return None if generation is None else wire.cursor_text(generation, revision)

    def server_time_ms(self) -> int:
        """The server's time of the last complete page; 0 before the first."""
        time_ms: int = self._state("server_time_ms")
        return time_ms

    def rows_so_far(self) -> int:
        """Of the list that is being fetched, or the one that is there: for a progress."""
        with self._lock:
            live, building = self._conn.execute("SELECT live, building FROM state").fetchone()
            side = _other(live) if building else live
            counts = (
                self._conn.execute(f"SELECT count(*) FROM {table}_{side}").fetchone()[0]  # noqa: S608
                for table in _TABLES
            )
            return sum(counts)

    def start_snapshot(self) -> None:
        """Fetch everything anew (after a digest that differs): `cursor()` is None from here on."""
        with self._lock, sqlite_file.transaction(self._conn):
            self._begin_building(None)

    def wipe(self) -> bool:
        """Forget every person (a revoked device), in a list half fetched and in a damaged one too;
        upload progress stays. False if there was nothing to forget.
        """
        with self._lock:
            if self._holds_nothing():
                return False
            with sqlite_file.transaction(self._conn):
                for side in "ab":
                    self._clear(side)
                self._conn.execute(
                    "UPDATE state SET generation = NULL, revision = 0, sum = zeroblob(16),"
                    " building = 0, building_generation = NULL, server_time_ms = 0,"
                    " reference_version = reference_version + 1"
                )
            remains.forget(self.path)
            remains.reference_path(self.path).unlink(missing_ok=True)
        return True

    def _holds_nothing(self) -> bool:
        if self.damaged or remains.reference_path(self.path).exists():
            return False
        if self.generation is not None or self._state("building"):
            return False
        sides = [f"{table}_{side}" for table in _TABLES for side in "ab"]
        return not any(
            self._conn.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()  # noqa: S608
            for name in sides
        )

    def apply_page(
        self,
        lines: Sequence[wire.AnyLine],
        page: wire.PageLine,
        asked: str | EllipsisType | None = ...,
    ) -> Applied:
        """Rows and cursor in one transaction. A page of another generation than the live one
        belongs to a snapshot; without a live set yet, so does the first. `asked`: the cursor that
        the page answers; after a file was replaced or wiped meanwhile, it belongs to none.
        """
        generation, revision = wire.parse_cursor(page.cursor)
        server_time_ms = wire.parse_time(page.server_time)
        with self._lock, sqlite_file.transaction(self._conn):
            if not isinstance(asked, EllipsisType) and asked != self.cursor():
                raise MovedError
            live, live_generation, building, building_generation = self._conn.execute(
                "SELECT live, generation, building, building_generation FROM state"
            ).fetchone()
            snapshot = bool(building) or generation != live_generation
            if snapshot and not (building and generation == building_generation):
                self._begin_building(generation)
            side = _other(live) if snapshot else live
            prefix = "building_" if snapshot else ""
            total, referenced = self._upsert(side, prefix, lines)
            self._conn.execute(
                f"UPDATE state SET {prefix}revision = ?, {prefix}sum = ?,"  # noqa: S608
                " reference_version = reference_version + ?",
                (revision, total.to_bytes(16), referenced and not snapshot),
            )
            if not page.more:
                if snapshot:
                    self._go_live(live, live_generation, generation)
                self._conn.execute("UPDATE state SET server_time_ms = ?", (server_time_ms,))
                self._prune_acks()
        went_live = snapshot and not page.more
        if went_live:
            self._empty(live)
            remains.forget(self.path)
        if went_live or (referenced and not snapshot):
            self._keep_reference()
        digest_ok = None if page.digest is None else page.digest.lower() == f"{total:032x}"
        return Applied(digest_ok, went_live, len(lines))

    def acknowledged(self) -> dict[str, int]:
        """By epoch, up to which number the server holds this gate's entries."""
        with self._lock:
            found = self._conn.execute("SELECT epoch, max(through) FROM acks GROUP BY epoch")
            return dict(found.fetchall())

    def sync_state(self, epoch: str) -> SyncState:
        with self._lock:
            row = self._conn.execute(
                "SELECT through, generation, revision FROM acks WHERE epoch = ?"
                " ORDER BY through DESC LIMIT 1",
                (epoch,),
            ).fetchone()
        return SyncState(0, None) if row is None else SyncState(row[0], f"{row[1]}.{row[2]}")

    def record_ack(self, epoch: str, through: int, visible_at: str) -> None:
        """The server holds this epoch up to `through`. A lower number than before means a server
        that came back older: the later acknowledgements are forgotten, the entries offered again.
        """
        generation, revision = wire.parse_cursor(visible_at)
        with self._lock, sqlite_file.transaction(self._conn):
            self._conn.execute(
                "DELETE FROM acks WHERE epoch = ? AND through >= ?", (epoch, through)
            )
            self._conn.execute(
                "INSERT INTO acks VALUES (?, ?, ?, ?)", (epoch, through, generation, revision)
            )
            self._conn.execute("UPDATE state SET reference_version = reference_version + 1")

    def forget_acks(self) -> None:
        """Believe no acknowledgement any more: everything is offered anew."""
        with self._lock, sqlite_file.transaction(self._conn):
            self._conn.execute("DELETE FROM acks")
            self._conn.execute("UPDATE state SET reference_version = reference_version + 1")

    # --- inside a transaction ---------------------------------------------------------------

    def _begin_building(self, generation: str | None) -> None:
        live = self._state("live")
        self._clear(_other(live))
        self._conn.execute(
            "UPDATE state SET building = 1, building_generation = ?, building_revision = 0,"
            " building_sum = zeroblob(16)",
            (generation,),
        )

    def _upsert(self, side: str, prefix: str, lines: Iterable[wire.AnyLine]) -> tuple[int, bool]:
        """Write the rows; return the new sum of hashes, and whether reference data changed."""
        total = int.from_bytes(self._state(f"{prefix}sum"))
        batches = replica_rows.batches(lines)
        for batch in batches.values():
            conn, table = self._conn, f"{batch.table}_{side}"
            keys = " AND ".join(f"{name} = ?" for name in batch.key)
            select = f"SELECT hash FROM {table} WHERE {keys}"  # noqa: S608
            places = ", ".join("?" * batch.width)
            insert = f"INSERT OR REPLACE INTO {table} VALUES ({places})"  # noqa: S608
            # One line a key and page, so the old hashes may all be read before the writing.
            for row in batch.rows.values():
                old = conn.execute(select, row[: len(batch.key)]).fetchone()
                total += int.from_bytes(row[-1]) - (int.from_bytes(old[0]) if old else 0)
            conn.executemany(insert, batch.rows.values())
        return total % _MODULUS, "reference" in batches

    def _go_live(self, old: str, old_generation: str | None, generation: str) -> None:
        new = _other(old)
        if old_generation is not None:
            self._keep_known_bad(old, new, same_life=generation == old_generation)
        self._conn.execute(
            "UPDATE state SET live = ?, generation = building_generation,"
            " revision = building_revision, sum = building_sum, building = 0,"
            " building_generation = NULL, reference_version = reference_version + 1",
            (new,),
        )

    def _keep_known_bad(self, old: str, new: str, *, same_life: bool) -> None:
        """A server that came back older may have forgotten: what this gate knew to be revoked,
        cancelled or blocked stays refused until a newer change of that row (P4, DESIGN §5).

        Within one life of the server a row with a higher revision is such a change.
        """
        unchanged = " AND n.revision <= o.revision" if same_life else ""
        self._conn.execute(
            f"UPDATE credentials_{new} AS n SET status = 'revoked'"  # noqa: S608
            f" FROM credentials_{old} o WHERE o.digest = n.digest"
            f" AND o.credential_id = n.credential_id AND o.status = 'revoked'{unchanged}"
        )
        self._conn.execute(
            f"UPDATE participants_{new} AS n SET status = o.status"  # noqa: S608
            f" FROM participants_{old} o WHERE o.participant_id = n.participant_id"
            f" AND o.status <> 'registered' AND n.status = 'registered'{unchanged}"
        )

    def _prune_acks(self) -> None:
        """Of the acknowledgements that the replica contains by now, only the last is of use."""
        self._conn.execute(
            "DELETE FROM acks WHERE EXISTS (SELECT 1 FROM acks later, state s"
            " WHERE later.epoch = acks.epoch AND later.through > acks.through"
            " AND later.generation = s.generation AND later.revision <= s.revision)"
        )

    def _clear(self, side: str) -> None:
        for table in _TABLES:
            self._conn.execute(f"DELETE FROM {table}_{side}")  # noqa: S608 — a truncate: fast

    def _keep_reference(self) -> None:
        """The second copy. A card that can't take it has troubles that are told elsewhere."""
        with self._lock:
            live = self._state("live")
            rows = self._conn.execute(f"SELECT * FROM reference_{live}").fetchall()  # noqa: S608
        try:
            remains.save_reference(self.path, rows)
        except OSError as error:
            log.warning("reference_not_kept", error=str(error))

    def _empty(self, side: str) -> None:
        with self._lock, sqlite_file.transaction(self._conn):
            if self._state("live") != side and not self._state("building"):
                self._clear(side)

    def _state(self, column: str) -> Any:
        with self._lock:
            row = self._conn.execute(f"SELECT {column} FROM state").fetchone()  # noqa: S608
        if row is None:
            raise sqlite_file.DamagedFileError
        return row[0]


def _other(side: str) -> str:
    return "b" if side == "a" else "a"
