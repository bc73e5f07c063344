"""Copies of the database that are whole, and putting one in its place (DESIGN §6 Lifecycle)."""

import os
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from shared import wire
from shared.errors import UsageError
from sync_server.storage.connections import make_engine, parse_url
from sync_server.storage.migrations import migrate
from sync_server.storage.paths import DataFolder

_PAGES_A_STEP = 2_000  # writers get their turn between steps
_KEY_NAMES = frozenset({"server_ed25519.key", "digest.key", "master.key"})


def write_backup(
    folder: DataFolder, to: Path, now_ms: int, keys: Mapping[str, bytes] | None = None
) -> None:
    """Copy the database as it is now into one file; `keys` are file name → key."""
    new = to.with_name(f".{to.name}.new")
    try:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(folder.database)) as source,
            closing(sqlite3.connect(new)) as copy,
        ):
            source.backup(copy, pages=_PAGES_A_STEP)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("CREATE TABLE backup_info (at_ms INTEGER NOT NULL)")
            copy.execute("INSERT INTO backup_info VALUES (?)", (now_ms,))
            copy.execute("CREATE TABLE backup_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL)")
            copy.executemany("INSERT INTO backup_keys VALUES (?, ?)", list((keys or {}).items()))
            copy.commit()
        new.replace(to)
    except (OSError, sqlite3.Error) as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"{to}: the copy can't be written ({error})") from error


def restore_backup(folder: DataFolder, source: Path) -> str:
    """Put a backup in place as a new generation; returns when it was made (RFC 3339).

    The database that was there is kept beside it as `sync.db.replaced`.
    """
    if not source.is_file():
        raise UsageError(f"{source}: there is no such file")
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = folder.database.with_name("sync.db.restoring")
    new.unlink(missing_ok=True)
    try:
        at_ms, keys = _copied(source, new)
    except sqlite3.Error as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"{source} is not a backup of Gatesync ({error})") from error
    except UsageError:
        new.unlink(missing_ok=True)
        raise
    _put_keys(folder, keys)
    if folder.database.exists():
        with closing(sqlite3.connect(folder.database)) as old:  # takes its WAL in
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        folder.database.replace(folder.database.with_name("sync.db.replaced"))
    for suffix in ("-wal", "-shm"):
        folder.database.with_name(f"sync.db{suffix}").unlink(missing_ok=True)
    new.replace(folder.database)
    return wire.format_time(at_ms)


def _copied(source: Path, new: Path) -> tuple[int, dict[str, bytes]]:
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as backup,
        closing(sqlite3.connect(new)) as copy,
    ):
        if backup.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise UsageError(f"{source} is damaged")
        backup.backup(copy)
        (at_ms,) = copy.execute("SELECT at_ms FROM backup_info").fetchone()
        keys = dict(copy.execute("SELECT name, key FROM backup_keys").fetchall())
        copy.execute("DROP TABLE backup_info")
        copy.execute("DROP TABLE backup_keys")
        copy.execute("UPDATE state SET generation = ?", (secrets.token_hex(8),))
        copy.commit()
        copy.execute("VACUUM")  # no trace of the keys
    migrate(make_engine(parse_url(f"sqlite:///{new}"), writes=True), str(source))
    return at_ms, keys


def _put_keys(folder: DataFolder, keys: Mapping[str, bytes]) -> None:
    """Keys of the backup where the folder has none; those that are there stay."""
    if not keys:
        return
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    for name, key in keys.items():
        path = folder.keys / name
        if name in _KEY_NAMES and not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
