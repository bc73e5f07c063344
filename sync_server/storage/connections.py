"""An engine for a database's URL: SQLite or PostgreSQL."""

from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.errors import UsageError
from sync_server.storage import postgresql, sqlite

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def parse_url(text: str) -> URL:
    """UsageError, which shows no password, where the URL names neither database."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise UsageError("the database's URL can't be read; postgresql://user@host/name") from error
    if backend == POSTGRESQL and url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise UsageError(f"{shown(url)}: only the driver psycopg is supported; postgresql://…")
    if backend not in {SQLITE, POSTGRESQL}:
        raise UsageError(f"{shown(url)}: only sqlite:/// and postgresql:// are supported")
    return url


def shown(url: URL) -> str:
    """For messages: the file, or the URL without its password."""
    if url.get_backend_name() == SQLITE:
        return str(url.database)
    return url.render_as_string(hide_password=True)


def make_engine(url: URL, *, writes: bool) -> Engine:
    if url.get_backend_name() == SQLITE:
        return sqlite.make_engine(url, writes=writes)
    return postgresql.make_engine(url, writes=writes)
