"""Putting a backup in place as a new generation (DESIGN §5, §6 Lifecycle)."""

import os
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg
from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from shared.errors import TransientError, UsageError
from sync_server.storage import schema
from sync_server.storage.backup import sync_folder, unpack, write_backup
from sync_server.storage.connections import SQLITE, make_engine, parse_url, shown
from sync_server.storage.migrations import migrate
from sync_server.storage.paths import DataFolder
from sync_server.storage.portable import load
from sync_server.storage.postgresql import is_lost


class Restored(NamedTuple):
    """`replaced` is where that which was there before is kept, if anything was."""

    at_ms: int
    replaced: Path | None


def restore_backup(folder: DataFolder, database_url: str, source: Path, now_ms: int) -> Restored:
    """Put a backup in place. Everything is checked first: a UsageError has changed nothing."""
    new = folder.path / "sync.db.restoring"
    try:
        at_ms, keys = unpack(source, new)
        missing = [path.name for path in folder.key_files if not path.exists()]
        if any(name not in keys for name in missing):
            raise UsageError(
                f"{source} holds no keys and {folder.keys} lacks {', '.join(missing)}: "
                "name an earlier server's keys with --keys FOLDER"
            )
        _begin_generation(new)
        url = parse_url(database_url)
        put = _into_folder if url.get_backend_name() == SQLITE else _into_postgresql
        replaced = put(folder, url, new, now_ms)
        _put_keys(folder, keys)
    finally:
        for name in ("", "-wal", "-shm"):
            new.with_name(new.name + name).unlink(missing_ok=True)
    return Restored(at_ms, replaced)


def _begin_generation(file: Path) -> None:
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("UPDATE state SET generation = ?", (secrets.token_hex(8),))
        copy.commit()
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _into_folder(folder: DataFolder, _url: URL, new: Path, _now_ms: int) -> Path | None:
    replaced = None
    if folder.database.exists():
        replaced = folder.database.with_name("sync.db.replaced")
        _take_wal_in(folder.database)
        folder.database.replace(replaced)
    for suffix in ("-wal", "-shm"):
        folder.database.with_name(f"sync.db{suffix}").unlink(missing_ok=True)
    new.replace(folder.database)
    sync_folder(folder.path)
    return replaced


def _take_wal_in(database: Path) -> None:
    """So that what is kept is whole; a database that is destroyed is kept as it is."""
    try:
        with closing(sqlite3.connect(database)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError:
        for suffix in ("-wal", "-shm"):
            beside = database.with_name(database.name + suffix)
            if beside.exists():
                beside.replace(database.with_name(f"sync.db.replaced{suffix}"))


def _into_postgresql(folder: DataFolder, url: URL, new: Path, now_ms: int) -> Path | None:
    engine = make_engine(url, writes=True)
    migrate(engine, shown(url))
    replaced = None
    try:
        with engine.connect() as conn:
            held = conn.execute(select(schema.state.c.id)).first()
        if held is not None:  # in the portable form, so that it can be restored in its turn
            replaced = folder.path / "replaced.backup"
            write_backup(url.render_as_string(hide_password=False), replaced, now_ms)
        with engine.begin() as conn:
            load(new, conn)
    except psycopg.DataError as error:  # COPY is psycopg's own, so its errors come unwrapped
        raise UsageError(f"{shown(url)} does not take the backup's rows: {error}") from error
    except (psycopg.Error, DBAPIError) as error:
        if is_lost(error) or isinstance(error, psycopg.OperationalError):
            raise TransientError(f"{shown(url)}: it could not be done now: {error}") from error
        raise UsageError(f"{shown(url)} can't be restored into: {error}") from error
    return replaced


def _put_keys(folder: DataFolder, keys: Mapping[str, bytes]) -> None:
    """Keys of the backup where the folder has none; those that are there stay."""
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    for path in folder.key_files:
        if path.name in keys and not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(keys[path.name])
                file.flush()
                os.fsync(file.fileno())
