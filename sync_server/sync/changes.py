"""The changes feed: rows after a cursor, by revision, a page at a time (DESIGN §5, API §3.4)."""

import heapq
from itertools import islice
from typing import NamedTuple

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, select

from shared.errors import WireError
from shared.wire import OperatorLine, cursor_text, parse_cursor
from sync_server.identity import pins
from sync_server.storage import revisions
from sync_server.storage.chunks import mappings
from sync_server.storage.lines import line_of
from sync_server.storage.schema import REPLICATED

# Made once: a page asks fourteen questions, and each waiting gate asks them after each commit.
_AFTER: BindParameter[int] = bindparam("after_revision")
_REVISIONS = [
    select(table.c.revision)
    .where(table.c.revision > _AFTER)
    .order_by(table.c.revision)
    .limit(bindparam("rows_max"))
    for table in REPLICATED
]
_ROWS = [
    select(table).where(table.c.revision > _AFTER, table.c.revision <= bindparam("until_revision"))
    for table in REPLICATED
]


class ChangesPage(NamedTuple):
    """Encoded lines without line ends; `digest` comes where no more follows. `personal`: a line in
    it says something else to each device.
    """

    lines: list[bytes]
    cursor: str
    more: bool
    digest: str | None
    personal: bool = False


def changes_page(
    conn: Connection, device_id: str | None, cursor: str | None, limit: int
) -> ChangesPage:
    """At most `limit` rows after the cursor; run it in one read transaction (P7).

    A cursor of another generation, or of a later head than ours, starts from scratch. Operators'
    PIN hashes are the device's own (DESIGN §7): left out where no device is named.
    """
    head = revisions.head(conn)
    after = _start(cursor, head)
    if after == head.revision:
        return ChangesPage([], cursor_text(*head), more=False, digest=revisions.digest(conn))
    until, more = _boundary(conn, after, head.revision, limit)
    lines, personal = _lines(conn, device_id, after, until)
    return ChangesPage(
        lines=lines,
        cursor=cursor_text(head.generation, until),
        more=more,
        digest=None if more else revisions.digest(conn),
        personal=personal,
    )


def _start(cursor: str | None, head: revisions.Head) -> int:
    if cursor is None:
        return 0
    try:
        generation, revision = parse_cursor(cursor)
    except ValueError as error:
        raise WireError(f"cursor: {error}") from error
    return revision if generation == head.generation and revision <= head.revision else 0


def _boundary(conn: Connection, after: int, head_revision: int, limit: int) -> tuple[int, bool]:
    """The last revision that fits in the page, and whether rows remain beyond it."""
    asked = {"after_revision": after, "rows_max": limit + 1}
    by_table = (conn.execute(statement, asked).scalars() for statement in _REVISIONS)
    found = list(islice(heapq.merge(*by_table), limit + 1))
    if len(found) <= limit:
        return head_revision, False
    return found[limit - 1], True


def _lines(
    conn: Connection, device_id: str | None, after: int, until: int
) -> tuple[list[bytes], bool]:
    found: list[tuple[int, bytes]] = []
    personal = False
    encode = msgspec.json.Encoder().encode
    for table, statement in zip(REPLICATED, _ROWS, strict=True):
        for row in mappings(conn, statement, after_revision=after, until_revision=until):
            line = line_of(table.name, row)
            if line is not None:
                line.revision, line.hash = row["revision"], row["hash"]
                if isinstance(line, OperatorLine):
                    personal = True
                if isinstance(line, OperatorLine) and device_id is not None:
                    line.pin_hash = pins.hash_for(conn, line.operator_id, device_id)
                found.append((line.revision, encode(line)))
    found.sort()
    return [line for _, line in found], personal
