"""A data folder in use: what commands and the control socket work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from shared.errors import UsageError
from sync_server import system_clock
from sync_server.attendance.merge_store import tell_old_conflicts
from sync_server.config import Config, secret_of
from sync_server.identity.keys import ServerKeys, load_keys
from sync_server.insight import tallies
from sync_server.mail.settings import IMPORTED, queues
from sync_server.privacy.vault import Vault
from sync_server.storage import headcounts
from sync_server.storage.connections import POSTGRESQL, parse_url
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder

log = structlog.get_logger("figures")


@dataclass(frozen=True, slots=True)
class Deployment:
    """`base_url` is how gates reach the server; `mails_imports`: an import queues tickets' mails."""

    folder: DataFolder
    database: Database
    keys: ServerKeys
    vault: Vault
    base_url: str
    database_url: str
    mails_imports: bool = False


def database_url(folder: DataFolder, config: Config) -> str:
    """SQLite in the folder, unless the settings name PostgreSQL."""
    if not config.database_url:
        return folder.database_url
    url = parse_url(config.database_url)
    if url.get_backend_name() != POSTGRESQL:
        raise UsageError("database_url: postgresql://user@host/name, or nothing for SQLite")
    password = secret_of(
        config.database_password, config.database_password_file, "database_password_file"
    )
    if password:
        url = url.set(password=password)
    return url.render_as_string(hide_password=False)


def check_initialised(folder: DataFolder, config: Config) -> None:
    if not (folder.server_key if config.database_url else folder.database).exists():
        raise UsageError(
            f"{folder.path} is no data folder yet: run `sync-server init` first"
            + ("" if config.database_url else "; or name the settings with --config")
        )


@contextmanager
def opened(folder: DataFolder, base_url: str, config: Config | None = None) -> Iterator[Deployment]:
    """Open the database for as long as the block lasts; the caller holds the folder's lock."""
    config = config or Config()
    check_initialised(folder, config)
    keys = load_keys(folder)
    url = database_url(folder, config)
    database = Database.open(url)
    try:
        now_ms = system_clock.now_ms()
        database.write_now(lambda conn: tell_old_conflicts(conn, now_ms))
        count_what_was_not_counted(database)
        yield Deployment(
            folder, database, keys, Vault(keys.master), base_url, url, queues(config, IMPORTED)
        )
    finally:
        database.close()


def count_what_was_not_counted(database: Database) -> None:
    """A program of an earlier version wrote here, which did not keep these figures."""
    for kept in (tallies, headcounts):
        if not database.read_now(kept.adds_up):
            database.write_now(kept.recount)
            log.info("figures were counted afresh", of=kept.__name__.rsplit(".", 1)[1])
