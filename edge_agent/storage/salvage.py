"""A damaged journal: all that can still be read goes into a new file, the old one is set aside.

The new file keeps the epochs and numbers of what was saved, so that the server knows it again, and
goes on under a new epoch. What is missing is declared lost when it is its turn to be uploaded.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.durable_file import sync_file, sync_folder, write_whole
from edge_agent.storage import carve, sqlite_file
from edge_agent.storage.journal_rows import (
    KINDS,
    LOST_KIND,
    SEQ_BITS,
    SEQ_MASK,
    is_sound,
    lost_row,
    name_sum,
    write_epoch,
)

_NUMBER_MAX = 1 << 20
_EPOCH = re.compile(rb"[0-9A-Za-z_-]{1,32}")
# What was sealed later wins over the form before.
_KEEP = (
    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind=excluded.kind,"
    " sealed=excluded.sealed, body=excluded.body, sum=excluded.sum"
    " WHERE excluded.sealed > entries.sealed"
)


class Report(msgspec.Struct, frozen=True):
    """What became of a damaged journal; written beside the file that was set aside."""

    aside: str  # the damaged file's name in the data folder
    saved: int  # entries
    lost: int  # entries that can't be read any more and are not known to be at the server


def new_path(path: Path) -> Path:
    """Where the new file is made, whole, before it takes the damaged one's place."""
    return path.with_name(path.name + ".salvaged")


def salvage(
    path: Path,
    *,
    new_epoch: Callable[[], str],
    heads: Mapping[str, int],
    received: Mapping[str, int],
) -> Report:
    """Replace the damaged `path`. `heads`: how far each epoch is known to have gone; `received`: what
    the server is known to hold of it.
    """
    target = new_path(path)
    sqlite_file.remove(target)
    conn = sqlite_file.connect(target, synchronous="FULL")
    try:
        sqlite_file.migrate(conn, "journal", target)
        names = _carve_into(conn, path, list(heads), new_epoch)
        saved = _entries(conn)
        lost = _end_epochs(conn, names, heads, received)
        number = max(names, default=0) + 1
        write_epoch(conn, number, new_epoch(), "salvaged")
    finally:
        conn.close()  # the last connection moves the WAL into the file
    sync_file(target)
    aside = sqlite_file.free_name(path)
    report = Report(aside.name, saved, lost)
    write_whole(aside.with_name(aside.name + ".json"), msgspec.json.encode(report))
    sqlite_file.move_with_sides(path, aside)
    target.rename(path)
    sync_folder(path.parent)
    return report


def finish(path: Path) -> None:
    """A power cut came between the two renames, or before them: go on, or forget the attempt."""
    target = new_path(path)
    if target.exists() and not path.exists():
        sqlite_file.remove_sides(path)
        target.rename(path)
        sync_folder(path.parent)
    else:
        sqlite_file.remove(target)


def reports(folder: Path) -> list[Report]:
    """Of the journals that were set aside here and not yet taken away, oldest first."""
    found: list[Report] = []
    for file in sorted(folder.glob("journal.db.damaged-*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Report))
        except (OSError, msgspec.DecodeError):
            found.append(Report(file.name.removesuffix(".json"), 0, 0))
    return found


def _carve_into(
    conn: sqlite3.Connection, path: Path, known: list[str], new_epoch: Callable[[], str]
) -> dict[int, str]:
    """Sound rows into the new file; the epochs' names by number."""
    sure: dict[int, str] = {}
    said: dict[int, str] = {}
    numbers: set[int] = set()
    with sqlite_file.transaction(conn):
        for cell in carve.cells(path):
            name = _name(cell)
            if name is not None:
                (sure if cell.columns[2] == name_sum(cell.row_id, name) else said)[cell.row_id] = (
                    name
                )
            entry = _entry(cell)
            if entry is not None:
                numbers.add(cell.row_id >> SEQ_BITS)
                conn.execute(_KEEP, entry)
    names = _names(numbers, said | sure, known, new_epoch)
    for number, epoch in names.items():
        write_epoch(conn, number, epoch, "salvaged from a damaged file")
    return names


def _name(cell: carve.Cell) -> str | None:
    """An epoch's name, of a row of `epochs` or `epoch_names`."""
    if len(cell.columns) != 3 or not 0 < cell.row_id < _NUMBER_MAX:
        return None
    name = cell.columns[1]
    if not isinstance(name, bytes) or not _EPOCH.fullmatch(name):
        return None
    return name.decode()


def _entry(cell: carve.Cell) -> tuple[Any, ...] | None:
    if len(cell.columns) != 6:
        return None
    _, kind, at_ms, sealed, data, total = cell.columns
    if kind == LOST_KIND and total == b"":
        return lost_row(cell.row_id)  # declared at an earlier salvage
    if not isinstance(data, bytes) or not is_sound(cell.row_id, sealed, data, total):
        return None
    kind = KINDS.get(json.loads(data).get("type"), 0)  # not under the checksum: from what is
    return cell.row_id, kind, at_ms if isinstance(at_ms, int) else 0, sealed, data.decode(), total


def _names(
    numbers: set[int], found: Mapping[int, str], known: list[str], new_epoch: Callable[[], str]
) -> dict[int, str]:
    """By the checksummed row, else by the table, else the one epoch that others know of."""
    names: dict[int, str] = {}
    for number, name in found.items():
        if name not in names.values():
            names[number] = name
    strangers = [epoch for epoch in known if epoch not in names.values()]
    for number in sorted(numbers - names.keys()):
        # Nobody knows it: then none of its entries was acknowledged under a name of ours.
        names[number] = strangers.pop() if strangers else new_epoch()
    return names


def _end_epochs(
    conn: sqlite3.Connection,
    names: Mapping[int, str],
    heads: Mapping[str, int],
    received: Mapping[str, int],
) -> int:
    """Mark where each epoch ended; how many entries are lost that no server has."""
    lost = 0
    with sqlite_file.transaction(conn):
        for number, name in names.items():
            base = number << SEQ_BITS
            inside = (base, base | SEQ_MASK)
            top = conn.execute(
                "SELECT max(id) FROM entries WHERE id > ? AND id <= ?", inside
            ).fetchone()[0]
            head = max(0 if top is None else top & SEQ_MASK, heads.get(name, 0))
            if head and top != base + head:
                conn.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", lost_row(base + head))
            after = received.get(name, 0)
            kept = conn.execute(
                "SELECT count(*) FROM entries WHERE id > ? AND id <= ? AND kind <> ?",
                (base + after, base | SEQ_MASK, LOST_KIND),
            ).fetchone()[0]
            lost += max(head - after, 0) - kept
    return lost


def _entries(conn: sqlite3.Connection) -> int:
    sql = "SELECT count(*) FROM entries WHERE kind <> ?"
    count: int = conn.execute(sql, (LOST_KIND,)).fetchone()[0]
    return count
