"""A data folder in use: what commands and the control socket work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.errors import UsageError
from sync_server import system_clock
from sync_server.attendance.merge_store import tell_old_conflicts
from sync_server.identity.keys import ServerKeys, load_keys
from sync_server.privacy.vault import Vault
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder


@dataclass(frozen=True, slots=True)
class Deployment:
    """`base_url` is how gates reach the server."""

    folder: DataFolder
    database: Database
    keys: ServerKeys
    vault: Vault
    base_url: str


def check_initialised(folder: DataFolder) -> None:
    if not folder.database.exists():
        raise UsageError(f"{folder.path} is no data folder yet: run `sync-server init` first")


@contextmanager
def opened(folder: DataFolder, base_url: str) -> Iterator[Deployment]:
    """Open the database for as long as the block lasts; the caller holds the folder's lock."""
    check_initialised(folder)
    keys = load_keys(folder)
    database = Database.open(folder.database_url)
    try:
        now_ms = system_clock.now_ms()
        database.write_now(lambda conn: tell_old_conflicts(conn, now_ms))
        yield Deployment(folder, database, keys, Vault(keys.master), base_url)
    finally:
        database.close()
