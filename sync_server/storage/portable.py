"""All rows of a database as one SQLite file, whichever database they are in: what a backup holds.

From SQLite it is a copy of the pages; PostgreSQL's rows are read in one snapshot of the whole.
Into PostgreSQL the rows go by COPY, in one transaction: whole or not at all (P7).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Connection, Table, func, select
from sqlalchemy.engine import URL

from sync_server.storage.connections import SQLITE, make_engine, parse_url
from sync_server.storage.metadata import metadata
from sync_server.storage.migrations import migrate

ROWS_A_PIECE = 5_000


def dump(url: URL, to: Path) -> None:
    """Write the file `to`, which must not exist, while others go on reading and writing."""
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if url.get_backend_name() == SQLITE:
        _copy_pages(Path(str(url.database)), to)
        return
    migrate(make_engine(parse_url(f"sqlite:///{to}"), writes=True), str(to))
    engine = make_engine(url, writes=False)
    with (
        engine.connect() as source,
        source.begin(),
        closing(sqlite3.connect(to, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA journal_mode = OFF")  # a file that is not whole is thrown away
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("BEGIN")
        for table in metadata.sorted_tables:
            _copy_rows(source, table, copy)
        copy.execute("COMMIT")


def _copy_pages(source_file: Path, to: Path) -> None:
    with closing(sqlite3.connect(source_file)) as source, closing(sqlite3.connect(to)) as copy:
        source.execute("PRAGMA query_only = ON")
        # All in one step: in WAL mode writers go on beside it. In several steps each commit in
        # between would begin the copy anew, and a busy server's would never end.
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")


def _copy_rows(source: Connection, table: Table, copy: sqlite3.Connection) -> None:
    # By COPY, values as PostgreSQL writes them: SQLite's columns make them numbers again.
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    asked = ", ".join(
        f'"{column.name}"' + ("::int" if isinstance(column.type, Boolean) else "")
        for column in table.columns
    )
    marks = ", ".join("?" * len(table.columns))
    copy.execute(f'DELETE FROM "{table.name}"')  # noqa: S608 — names of our own schema
    put = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608
    cursor: Any = source.connection.cursor()
    question = f'COPY (SELECT {asked} FROM "{table.name}") TO STDOUT'  # noqa: S608
    with closing(cursor), cursor.copy(question) as found:
        rows = found.rows()
        while piece := list(islice(rows, ROWS_A_PIECE)):
            copy.executemany(put, piece)


def load(file: Path, conn: Connection) -> None:
    """Put the file's rows in place of those in PostgreSQL, inside the caller's transaction."""
    tables = metadata.sorted_tables
    names = ", ".join(f'"{table.name}"' for table in tables)
    conn.exec_driver_sql(f"TRUNCATE {names}")
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
        for table in tables:
            _load_rows(source, table, conn)
    for table in tables:
        column = table.autoincrement_column
        if column is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            highest = select(func.max(column)).scalar_subquery()
            conn.execute(select(func.setval(sequence, func.coalesce(highest, 1))))


def _load_rows(source: sqlite3.Connection, table: Table, conn: Connection) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    cursor: Any = conn.connection.cursor()
    with closing(cursor), cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in _rows(source, f'SELECT {names} FROM "{table.name}"'):  # noqa: S608
            copy.write_row(row)


def _rows(source: sqlite3.Connection, question: str) -> Iterator[tuple[Any, ...]]:
    found = source.execute(question)
    while piece := found.fetchmany(ROWS_A_PIECE):
        yield from piece
