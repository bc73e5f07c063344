"""Many rows at once, in few statements: questions by key, and inserts."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    String,
    Table,
    Text,
    Update,
    any_,
    bindparam,
    func,
    insert,
    select,
    update,
)

from sync_server.storage.recordsets import insert_recordset, update_recordset

KEYS_PER_QUESTION_MAX = 5_000  # PostgreSQL takes 65,535 parameters a statement

Mapped = Mapping[str, Any]

# All keys are one parameter: the statement's text stays the same for any number of them.
_KEYS = select(func.json_each(bindparam("keys")).table_valued("value").c.value)


def select_in(
    conn: Connection,
    statement: Select[Any],
    column: ColumnElement[Any],
    keys: Collection[Any],
    **values: Any,
) -> Iterator[Row[Any]]:
    """The statement's rows whose column is one of the keys; no question without keys.

    `values` are those of its own parameters. A statement kept in a constant is prepared once.
    """
    if not keys:
        return
    on_sqlite = conn.dialect.name == "sqlite"
    asked = _asked(statement, column, on_sqlite)
    rest = list(keys)
    for start in range(0, len(rest), KEYS_PER_QUESTION_MAX):
        piece = rest[start : start + KEYS_PER_QUESTION_MAX]
        given = json.dumps(piece) if on_sqlite else piece
        yield from conn.execute(asked, {"keys": given, **values}).all()


@lru_cache(maxsize=128)
def _asked(statement: Select[Any], column: ColumnElement[Any], on_sqlite: bool) -> Select[Any]:
    if on_sqlite:
        return statement.where(column.in_(_KEYS))
    # Text of no stated length: a cast to VARCHAR(100) would cut a longer key to a wrong one.
    kind = Text() if isinstance(column.type, String) else column.type
    return statement.where(column == any_(bindparam("keys", type_=ARRAY(kind))))


def mappings(conn: Connection, statement: Select[Any], **values: Any) -> Iterator[Mapped]:
    """The statement's rows by column name."""
    return cast("Iterator[Mapped]", iter(conn.execute(statement, values).mappings()))


def mappings_in(
    conn: Connection,
    statement: Select[Any],
    column: ColumnElement[Any],
    keys: Collection[Any],
    **values: Any,
) -> Iterator[Mapped]:
    """As `select_in`, by column name."""
    names: tuple[str, ...] = ()
    for row in select_in(conn, statement, column, keys, **values):
        names = names or row._fields  # worked out anew at each asking: once is enough
        yield dict(zip(names, row, strict=True))


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapped]) -> None:
    """Insert rows that have the same columns; several times faster than a general statement."""
    if not rows:
        return
    if conn.dialect.paramstyle != "qmark":
        insert_recordset(conn, table, rows)
        return
    _execute_prepared(conn, _compiled_insert(table, tuple(rows[0]), conn.dialect), rows)


def update_rows(conn: Connection, table: Table, key: Column[Any], rows: Sequence[Mapped]) -> None:
    """Set the columns that the rows have (the same in each) where the key column has their value."""
    if not rows:
        return
    if conn.dialect.paramstyle != "qmark":
        update_recordset(conn, table, key, rows)
        return
    _execute_prepared(conn, _compiled_update(table, key, tuple(rows[0]), conn.dialect), rows)


_PREFIX = "new_"  # a parameter of an UPDATE must not have its column's name


def _update_of(table: Table, key: Column[Any], names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(_PREFIX + name) for name in names if name != key.name}
    return update(table).where(key == bindparam(_PREFIX + key.name)).values(values)


class _Prepared(NamedTuple):
    """The statement, how to pick a row's values in its order, and which of them to encode."""

    text: str
    pick: Callable[[Mapped], tuple[Any, ...]]
    encoded: list[tuple[int, Callable[[Any], Any], Any]]  # place, encoder, what it makes of None


def _execute_prepared(conn: Connection, prepared: _Prepared, rows: Sequence[Mapped]) -> None:
    picked = map(prepared.pick, rows)
    if not prepared.encoded:
        conn.exec_driver_sql(prepared.text, list(picked))
        return
    values: list[tuple[Any, ...]] = []
    for row in picked:
        value = list(row)
        for place, encode, null in prepared.encoded:
            said = value[place]
            value[place] = null if said is None else encode(said)
        values.append(tuple(value))
    conn.exec_driver_sql(prepared.text, values)


@lru_cache(maxsize=64)
def _compiled_insert(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Prepared:
    compiled: Any = insert(table).compile(dialect=dialect, column_keys=list(names))
    return _prepared(table, str(compiled), compiled.positiontup, dialect)


@lru_cache(maxsize=64)
def _compiled_update(
    table: Table, key: Column[Any], names: tuple[str, ...], dialect: Dialect
) -> _Prepared:
    compiled: Any = _update_of(table, key, names).compile(dialect=dialect)
    order = [name.removeprefix(_PREFIX) for name in compiled.positiontup]
    return _prepared(table, str(compiled), order, dialect)


def _prepared(table: Table, text: str, order: list[str], dialect: Dialect) -> _Prepared:
    # SQLite takes whole numbers, truth values and texts as Python has them: only JSON is encoded.
    encoded: list[tuple[int, Any, Any]] = [
        (place, encode, encode(None))
        for place, name in enumerate(order)
        if isinstance(table.c[name].type, JSON)
        and (encode := table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
    ]
    pick: Any = itemgetter(*order)
    assert len(order) > 1, "of one column itemgetter gives no tuple"
    return _Prepared(text, pick, encoded)
