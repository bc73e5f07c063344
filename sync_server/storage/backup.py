"""Backup files: one portable SQLite file, compressed, with a checksum over the whole (ADR 28).

    GATESYNC BACKUP 1
    <a zstd frame with its checksum: the SQLite file, and in it when it was made>

Files of the version before are a bare SQLite file and are still read.
"""

import os
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

import psycopg
import zstandard
from sqlalchemy.exc import DBAPIError

from shared.errors import UsageError
from sync_server.storage.connections import make_engine, parse_url
from sync_server.storage.migrations import migrate
from sync_server.storage.portable import dump

MAGIC = b"GATESYNC BACKUP 1\n"
_BARE_MAGIC = b"SQLite format 3\x00"
LEVEL = 3
PIECE_BYTES = 1 << 20
_one_at_a_time = threading.Lock()


class Unpacked(NamedTuple):
    """When a backup was made, and the keys that are in it by file name."""

    at_ms: int
    keys: dict[str, bytes]


def write_backup(
    database_url: str, to: Path, now_ms: int, keys: Mapping[str, bytes] | None = None
) -> None:
    """Copy the database as it is now into one file; whole, durable, or not there at all."""
    plain = to.with_name(f".{to.name}.copy")
    packed = to.with_name(f".{to.name}.new")
    with _one_at_a_time:
        try:
            plain.unlink(missing_ok=True)
            dump(parse_url(database_url), plain)
            _note(plain, now_ms, keys or {})
            _pack(plain, packed)
            packed.replace(to)
            sync_folder(to.parent)
        except (OSError, sqlite3.Error, psycopg.Error, DBAPIError) as error:
            raise UsageError(f"{to}: the copy can't be written ({error})") from error
        finally:
            plain.unlink(missing_ok=True)
            packed.unlink(missing_ok=True)


def _note(file: Path, now_ms: int, keys: Mapping[str, bytes]) -> None:
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("CREATE TABLE backup_info (at_ms INTEGER NOT NULL)")
        copy.execute("INSERT INTO backup_info VALUES (?)", (now_ms,))
        copy.execute("CREATE TABLE backup_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL)")
        copy.executemany("INSERT INTO backup_keys VALUES (?, ?)", list(keys.items()))
        copy.commit()


def _pack(plain: Path, packed: Path) -> None:
    packed.unlink(missing_ok=True)
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with os.fdopen(descriptor, "wb") as file, plain.open("rb") as source:
        file.write(MAGIC)
        compressor.copy_stream(source, file, size=plain.stat().st_size)
        file.flush()
        os.fsync(file.fileno())


def unpack(source: Path, to: Path) -> Unpacked:
    """Write the backup's database to `to`, checked whole and carried over to this version's schema.

    UsageError names what is wrong with the file; then `to` is not there.
    """
    if not source.is_file():
        raise UsageError(f"{source}: there is no such file")
    to.unlink(missing_ok=True)
    try:
        with source.open("rb") as file:
            _unpack_file(file, source, to)
        return _checked(source, to)
    except OSError as error:
        to.unlink(missing_ok=True)
        raise UsageError(f"{source}: it can't be restored ({error.strerror})") from error
    except sqlite3.Error as error:
        to.unlink(missing_ok=True)
        raise UsageError(f"{source} is not a backup of Gatesync, or damaged ({error})") from error
    except UsageError:
        to.unlink(missing_ok=True)
        raise


def _unpack_file(file: BinaryIO, source: Path, to: Path) -> None:
    begin = file.read(len(MAGIC))
    bare = begin.startswith(_BARE_MAGIC)
    if not bare and begin != MAGIC:
        raise UsageError(f"{source} is not a backup of Gatesync")
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as plain:
        if bare:
            plain.write(begin)
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            while piece := file.read(PIECE_BYTES):
                plain.write(piece if bare else frame.decompress(piece))
        except zstandard.ZstdError as error:
            raise UsageError(f"{source} is damaged: its content differs from its checksum") from (
                error
            )
        if not bare and (not frame.eof or frame.unused_data):
            raise UsageError(f"{source} is damaged: it was cut short, or something was added")
        plain.flush()
        os.fsync(plain.fileno())


def _checked(source: Path, file: Path) -> Unpacked:
    with closing(sqlite3.connect(file)) as copy:
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise UsageError(f"{source} is damaged")
        (at_ms,) = copy.execute("SELECT at_ms FROM backup_info").fetchone()
        keys = dict(copy.execute("SELECT name, key FROM backup_keys").fetchall())
        copy.execute("PRAGMA secure_delete = ON")  # no trace of the keys
        copy.execute("DROP TABLE backup_info")
        copy.execute("DROP TABLE backup_keys")
        copy.commit()
    engine = make_engine(parse_url(f"sqlite:///{file}"), writes=True)
    migrate(engine, str(source))
    engine.dispose()
    return Unpacked(at_ms, keys)


def sync_folder(folder: Path) -> None:
    """Make a rename in it durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
