"""Questions about many keys at once, in pieces that every database takes."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select

Mapped = Mapping[str, Any]

KEYS_PER_QUESTION_MAX = 5_000  # SQLite takes 32,766 parameters a statement


def select_in(
    conn: Connection, statement: Select[Any], column: ColumnElement[Any], keys: Collection[Any]
) -> Iterator[Row[Any]]:
    """The statement's rows whose column is one of the keys; no question without keys."""
    rest = list(keys)
    for start in range(0, len(rest), KEYS_PER_QUESTION_MAX):
        piece = rest[start : start + KEYS_PER_QUESTION_MAX]
        yield from conn.execute(statement.where(column.in_(piece)))


def mappings(conn: Connection, statement: Select[Any]) -> Iterator[Mapped]:
    """The statement's rows by column name."""
    return cast("Iterator[Mapped]", iter(conn.execute(statement).mappings()))


def mappings_in(
    conn: Connection, statement: Select[Any], column: ColumnElement[Any], keys: Collection[Any]
) -> Iterator[Mapped]:
    """As `select_in`, by column name."""
    rest = list(keys)
    for start in range(0, len(rest), KEYS_PER_QUESTION_MAX):
        piece = rest[start : start + KEYS_PER_QUESTION_MAX]
        yield from mappings(conn, statement.where(column.in_(piece)))
