"""Replicated rows: each change takes the next revision, and the digest of the whole follows.

The only code that writes `revision` and `hash`. Both concern what gates see of a row
(`storage/lines.py`): a change of other columns is stored without a new revision, but for
participants, whom the search of `registration` follows by their revisions. Each change is told in the
outbox (`storage/happenings.py`), and whoever is counted by what was written is counted anew here as
well (`storage/headcounts.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, bindparam, insert, select, update

from shared.errors import UsageError
from shared.wire import DIGEST_MODULUS
from sync_server.storage import happenings, headcounts, outbox
from sync_server.storage.chunks import (
    KEYS_PER_QUESTION_MAX,
    insert_rows,
    mappings,
    mappings_in,
    update_rows,
)
from sync_server.storage.database import announce, moment_ms
from sync_server.storage.lines import HASH_OF_NOTHING, hash_of
from sync_server.storage.schema import state

_HEAD = select(state.c.generation, state.c.revision)
_DIGEST = select(state.c.digest)
_MOVE_HEAD = update(state).values(revision=bindparam("to_revision"), digest=bindparam("to_digest"))

BOOKKEEPING = frozenset({"updated_ms"})  # a row that differs in nothing else is unchanged

FOLLOWED = frozenset({"participants"})  # each change takes a revision, seen by gates or not


class Head(NamedTuple):
    generation: str
    revision: int


def initialise(conn: Connection, generation: str) -> None:
    """Begin the life of a database; `generation` is 16 random hex digits (DESIGN §2)."""
    conn.execute(
        insert(state).values(id=1, generation=generation, revision=0, digest=HASH_OF_NOTHING)
    )


def head(conn: Connection) -> Head:
    """Generation and the highest revision given so far."""
    row = conn.execute(_HEAD).first()
    if row is None:
        raise UsageError("the database is empty: run `sync-server init` first")
    return Head(row.generation, row.revision)


def digest(conn: Connection) -> str:
    """The sum modulo 2^128 of all replicated rows' hashes, 32 hex digits."""
    return str(conn.execute(_DIGEST).scalar_one())


def upsert(conn: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Write a row, whole or some columns of one that exists; False if nothing differed."""
    key = _key(table)
    held = next(mappings(conn, select(table).where(key == row[key.name])), None)
    whole = {column.name: None for column in table.columns} | dict(held or {}) | dict(row)
    return upsert_many(conn, table, [whole]) == 1


def upsert_many(
    conn: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    held: Mapping[str, Mapping[str, Any]] | None = None,
) -> int:
    """Write whole rows, the last of those with one key; returns how many differed.

    `held` are the stored rows by key, where the caller has read them already.
    """
    key = _key(table)
    wanted = {row[key.name]: row for row in rows}
    names = [c.name for c in table.columns if c.name not in {"revision", "hash"}]
    compared = [name for name in names if name not in BOOKKEEPING]
    revision = head(conn).revision
    change = _Change(revision, 0)
    messages: list[happenings.Message | None] = []
    telling = happenings.is_told(table.name)
    ids = list(wanted)
    for start in range(0, len(ids), KEYS_PER_QUESTION_MAX):
        piece = ids[start : start + KEYS_PER_QUESTION_MAX]
        stored = (
            {row[key.name]: row for row in mappings_in(conn, select(table), key, piece)}
            if held is None
            else held
        )
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for row_id in piece:
            row, old = wanted[row_id], stored.get(row_id)
            if old is None:
                new.append(change.stamped(table.name, {n: row[n] for n in names}, None))
            elif any(row[name] != old[name] for name in compared):
                changed.append(change.stamped(table.name, {n: row[n] for n in names}, old))
        if new:
            insert_rows(conn, table, new)
        if changed:
            update_rows(conn, table, key, changed)
        written = (*new, *changed)
        headcounts.follow(conn, table.name, ((stored.get(row[key.name]), row) for row in written))
        change.written += len(new) + len(changed)
        if telling:
            messages += [
                happenings.of_row(table.name, stored.get(row[key.name]), row) for row in written
            ]
    if change.revision != revision:
        _move_head(conn, change)
    if told := [message for message in messages if message is not None]:
        outbox.emit(conn, told, moment_ms(conn))
    return change.written


class _Change:
    """Revisions given and hashes added while rows are written."""

    def __init__(self, revision: int, added: int) -> None:
        self.revision = revision
        self.added = added
        self.written = 0

    def stamped(
        self, table_name: str, row: dict[str, Any], old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        row["hash"] = hash_of(table_name, row)
        before = HASH_OF_NOTHING if old is None else old["hash"]
        if row["hash"] == before and table_name not in FOLLOWED:
            row["revision"] = 0 if old is None else old["revision"]
            return row
        self.revision += 1
        self.added += int(row["hash"], 16) - int(before, 16)
        row["revision"] = self.revision
        return row


def _move_head(conn: Connection, change: _Change) -> None:
    total = (int(digest(conn), 16) + change.added) % DIGEST_MODULUS
    conn.execute(_MOVE_HEAD, {"to_revision": change.revision, "to_digest": f"{total:032x}"})
    announce(conn)


def _key(table: Table) -> Column[Any]:
    (key,) = table.primary_key.columns
    return key
