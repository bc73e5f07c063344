"""Many rows at once, in few statements: questions by key, and inserts."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    Table,
    bindparam,
    func,
    insert,
    select,
)

KEYS_PER_QUESTION_MAX = 5_000  # PostgreSQL takes 65,535 parameters a statement

Mapped = Mapping[str, Any]

# SQLite reads all keys from one parameter: the statement's text stays the same for any number.
_KEYS = select(func.json_each(bindparam("keys")).table_valued("value").c.value)


def select_in(
    conn: Connection, statement: Select[Any], column: ColumnElement[Any], keys: Collection[Any]
) -> Iterator[Row[Any]]:
    """The statement's rows whose column is one of the keys; no question without keys."""
    rest = list(keys)
    for start in range(0, len(rest), KEYS_PER_QUESTION_MAX):
        piece = rest[start : start + KEYS_PER_QUESTION_MAX]
        if conn.dialect.name == "sqlite":
            asked = statement.where(column.in_(_KEYS))
            yield from conn.execute(asked, {"keys": json.dumps(piece)}).all()
        else:
            yield from conn.execute(statement.where(column.in_(piece))).all()


def mappings(conn: Connection, statement: Select[Any]) -> Iterator[Mapped]:
    """The statement's rows by column name."""
    return cast("Iterator[Mapped]", iter(conn.execute(statement).mappings()))


def mappings_in(
    conn: Connection, statement: Select[Any], column: ColumnElement[Any], keys: Collection[Any]
) -> Iterator[Mapped]:
    """As `select_in`, by column name."""
    for row in select_in(conn, statement, column, keys):
        yield cast("Mapped", row._mapping)  # noqa: SLF001 — SQLAlchemy's documented name


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapped]) -> None:
    """Insert rows that have the same columns; several times faster than a general statement."""
    if not rows:
        return
    if conn.dialect.paramstyle != "qmark":
        conn.execute(insert(table), [dict(row) for row in rows])
        return
    text, pick, prepared = _compiled_insert(table, tuple(rows[0]), conn.dialect)
    if not prepared:
        conn.exec_driver_sql(text, [pick(row) for row in rows])
        return
    values: list[tuple[Any, ...]] = []
    for row in rows:
        value = list(pick(row))
        for place, prepare in prepared:
            value[place] = prepare(value[place])
        values.append(tuple(value))
    conn.exec_driver_sql(text, values)


@lru_cache(maxsize=64)
def _compiled_insert(
    table: Table, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, Callable[[Mapped], tuple[Any, ...]], list[tuple[int, Callable[[Any], Any]]]]:
    """The statement, how to pick a row's values in its order, and which of them to encode."""
    compiled: Any = insert(table).compile(dialect=dialect, column_keys=list(names))
    order: list[str] = compiled.positiontup
    # SQLite takes whole numbers, truth values and texts as Python has them: only JSON is encoded.
    prepared: list[tuple[int, Any]] = [
        (place, prepare)
        for place, name in enumerate(order)
        if isinstance(table.c[name].type, JSON)
        and (prepare := table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
    ]
    pick: Any = itemgetter(*order)
    assert len(order) > 1, "of one column itemgetter gives no tuple"
    return str(compiled), pick, prepared
