"""From whatever schema a database has to this version's, by numbered steps (alembic).

An **expand** step only adds: tables, indexes, columns that are nullable or have a default in the
database. Programs of the version before go on working, so gates and a second server need not be
updated in the same minute, and an update can be taken back. A **contract** step, a version or more
later, removes what nobody reads any more, and says with `contract(…)` which programs are too old.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select
from sqlalchemy.exc import DatabaseError

from shared.errors import NewerDataError, TransientError, UsageError
from sync_server.storage.metadata import metadata
from sync_server.storage.postgresql import is_lost
from sync_server.storage.schema import schema_support

FOLDER = Path(__file__).parent
_FILE = re.compile(r"r(\d{4})_\w+\.py")
FIRST = "0001"

# Alembic's own book-keeping: one row, the last step that was made.
VERSION_TABLE = "schema_version"
_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))

_LOCK = 0x6761746573  # any number that others in the database do not take

# What the last contract step said; a test holds it equal. In SQLite the same number stands in
# PRAGMA user_version, which is all that programs of the first schema look at.
OLDEST_SUPPORTED = FIRST


@cache
def newest() -> str:
    """The last step that this program knows."""
    found = (_FILE.fullmatch(path.name) for path in (FOLDER / "versions").iterdir())
    return max(match[1] for match in found if match)


def migrate(engine: Engine, shown: str) -> None:
    """Bring the schema to this version; refuse a newer one that we can't serve.

    `shown` names the database in messages. All in one transaction: whole or not at all (P7).
    """
    try:
        with engine.begin() as conn:
            if conn.dialect.name == "postgresql":  # two servers may start at once
                conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            before = _found(conn, shown)
            if before is None:
                _make(conn)
            elif before < newest():
                upgrade(conn, before)
            elif before > newest():
                _check_support(conn, before, shown)
    except DatabaseError as error:
        if is_lost(error):
            raise TransientError(f"{shown} can't be reached: {error.orig}") from error
        raise UsageError(f"{shown} cannot be opened as a database: {error.orig}") from error


def _found(conn: Connection, shown: str) -> str | None:
    """The last step made on this database; None if it is empty."""
    tables = set(inspect(conn).get_table_names())
    oldest = _user_version(conn)
    if oldest > int(newest()):
        raise _too_new(shown, str(oldest))
    if VERSION_TABLE in tables:
        return str(conn.execute(select(_version.c.version_num)).scalar_one())
    if oldest == int(FIRST):
        return FIRST
    if tables if conn.dialect.name == "sqlite" else tables & set(metadata.tables):
        raise UsageError(f"{shown} is a database of another program; name another one")
    return None


def _user_version(conn: Connection) -> int:
    if conn.dialect.name != "sqlite":
        return 0
    return int(conn.exec_driver_sql("PRAGMA user_version").scalar_one())


def _make(conn: Connection) -> None:
    """A new database: the tables as schema.py says, which a test holds equal to all the steps."""
    metadata.create_all(conn)
    conn.execute(schema_support.insert().values(id=1, oldest=OLDEST_SUPPORTED))
    _version.create(conn)
    conn.execute(_version.insert().values(version_num=newest()))
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"PRAGMA user_version = {int(OLDEST_SUPPORTED)}")


def _check_support(conn: Connection, found: str, shown: str) -> None:
    """A newer program was here. If its steps so far only expanded, we work on as before."""
    oldest = str(conn.execute(select(schema_support.c.oldest)).scalar_one())
    if oldest > newest():
        raise _too_new(shown, found)


def _too_new(shown: str, found: str) -> NewerDataError:
    return NewerDataError(
        f"{shown} has schema {found} and this version of Gatesync knows {newest()}: "
        "install the newer version that wrote it"
    )


def upgrade(conn: Connection, before: str | None, to: str = "head") -> None:
    """Make the steps after `before` on this connection, inside its transaction."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    if before is not None and VERSION_TABLE not in inspect(conn).get_table_names():
        _version.create(conn)
        conn.execute(_version.insert().values(version_num=before))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs(to, revision)  # noqa: SLF001 — as alembic.command does

    with EnvironmentContext(config, script, fn=steps, destination_rev=to) as environment:
        environment.configure(
            connection=conn, target_metadata=metadata, version_table=VERSION_TABLE
        )
        environment.run_migrations()


def contract(conn: Connection, oldest: str) -> None:
    """For a contract step: programs that know no step from `oldest` on may not go on."""
    conn.execute(schema_support.update().values(oldest=oldest))
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"PRAGMA user_version = {int(oldest)}")
